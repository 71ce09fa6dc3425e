"""What the graph is told of a document: its names and what its passages mention. Pure."""

from collections.abc import Collection, Sequence

from graph.mentions import NameTrie, find
from graph.names import title_names
from graph.types import DocumentLinks, Entity, Mention, PassageLinks
from retrieval.types import Passage


def document_links(
    document: str, title: str, passages: Sequence[Passage], names: NameTrie, linker: str = ""
) -> DocumentLinks:
    """The links of one document, with `names` as the names that `linker` knows."""
    called = title_names(title)
    own = {entity.id for entity in called}
    links = tuple(_links(passage.id, passage.text, own, names) for passage in passages)
    return DocumentLinks(document, title, called, links, linker)


def passage_links(passage: str, title: str, text: str, names: NameTrie) -> PassageLinks:
    """The links of one passage of a document with this title."""
    return _links(passage, text, {entity.id for entity in title_names(title)}, names)


def _links(passage: str, text: str, own: Collection[str], names: NameTrie) -> PassageLinks:
    """A document's passages do not mention the document itself: nothing follows from that."""
    found = find(text, names)
    spans = [span for span in found.spans if span.entity not in own]
    return PassageLinks(
        passage,
        text,
        tuple(Entity(span.entity, span.name) for span in spans),
        tuple(Mention(passage, span.entity, span.start, span.end) for span in spans),
        tuple(sorted(found.plain - set(own))),
    )
