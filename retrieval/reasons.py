"""Why a passage was found, in words a person reads. Pure."""

from collections.abc import Container, Iterable, Mapping, Sequence

from retrieval.types import Hit, Link, Via

EXPANSION = "expansion"

_WORDS = {
    "title": "«{name}», named in «{source}»",
    "mentioned": "mentions «{name}»",
    "shared": "shares «{name}» with «{source}»",
    "next": "next chunk of «{source}»",
    "previous": "previous chunk of «{source}»",
}


def reasons(
    passage: str, legs: Mapping[str, Sequence[Hit]], link: Link | None, titles: Mapping[str, str]
) -> tuple[str, ...]:
    """`vector #3`, `graph #1: titled «Pump P-101»`, one for each leg that found the passage, and the link that leads
    to it. `titles` has those of passages that are sources of links."""
    found = [_place(leg, hits, passage) for leg, hits in legs.items()]
    if link is not None:
        words = _WORDS[link.kind].format(name=link.name, source=titles[link.source])
        found.append(f"{EXPANSION}: {words}")
    return tuple(filter(None, found))


def ranks(passage: str, legs: Mapping[str, Sequence[Hit]]) -> dict[str, int]:
    """The passage's place in each leg that found it, from 1."""
    return {leg: rank for leg, hits in legs.items() if (rank := _rank(hits, passage))}


def via(link: Link | None, titles: Mapping[str, str]) -> Via | None:
    return None if link is None else Via(link.source, titles[link.source], link.kind, link.name)


def best_links(
    links: Iterable[Link], scores: Mapping[str, float], sources: Container[str], targets: Container[str]
) -> dict[str, Link]:
    """The link that best explains each target: strong, and from a source with a high score."""
    best: dict[str, Link] = {}
    wanted = [link for link in links if link.target in targets and link.source in sources]
    for link in sorted(wanted, key=lambda link: (-link.weight * scores.get(link.source, 0.0), link)):
        best.setdefault(link.target, link)
    return best


def _place(leg: str, hits: Sequence[Hit], passage: str) -> str:
    rank = _rank(hits, passage)
    if not rank:
        return ""
    words = hits[rank - 1].why
    return f"{leg} #{rank}: {words}" if words else f"{leg} #{rank}"


def _rank(hits: Sequence[Hit], passage: str) -> int:
    """From 1; 0 when it is not among them."""
    return next((rank for rank, hit in enumerate(hits, start=1) if hit.passage == passage), 0)
