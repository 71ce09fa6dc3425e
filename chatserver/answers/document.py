"""An answer's entries folded into one document. Pure, but for the reading of the log at the end."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from chatserver.answers.log import AnswerLog
from chatserver.answers.meta import AnswerMeta
from chatserver.protocol.chunks import Chunk, Citation

_PAGE = 1000


@dataclass(slots=True)
class _Shown:
    """What the entries so far have shown."""

    texts: list[str] = field(default_factory=list)
    sources: list[dict[str, Any]] = field(default_factory=list)
    citations: list[dict[str, Any]] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    notices: list[Any] = field(default_factory=list)
    error: dict[str, str] | None = None
    part_start: int = 0
    """Where the newest text part begins in the whole text."""

    def copy(self) -> "_Shown":
        return _Shown(
            list(self.texts),
            list(self.sources),
            list(self.citations),
            dict(self.data),
            list(self.notices),
            self.error,
            self.part_start,
        )


@dataclass(frozen=True, slots=True)
class AnswerDocument:
    """`sources[n - 1]` is what `[n]` in the text cites; citation offsets are characters of `text`."""

    text: str
    sources: tuple[dict[str, Any], ...]
    citations: tuple[dict[str, Any], ...]
    data: dict[str, Any]
    """The payloads of `data-*` entries but notices, by name; lists of several steps one after the other."""
    notices: tuple[Any, ...]
    error: dict[str, str] | None


def fold(chunks: Iterable[Chunk]) -> AnswerDocument:
    """What a reader of all entries sees at the end: a withdrawn step (`reset-step`) has left nothing."""
    shown = _Shown()
    before_step = shown.copy()
    for chunk in chunks:
        match chunk["type"]:
            case "start-step":
                before_step = shown.copy()
            case "reset-step":
                shown = before_step.copy()
            case "text-start":
                shown.part_start = sum(map(len, shown.texts))
            case "text-delta":
                shown.texts.append(chunk["delta"])
            case "text-end":
                shown.citations += [_flat(citation, shown.part_start) for citation in chunk.get("citations", [])]
            case "source-document":
                source = {"n": len(shown.sources) + 1, "sourceId": chunk["sourceId"], "title": chunk["title"]}
                shown.sources.append(source)
            case "data-notice":
                shown.notices.append(chunk["data"])
            case "error":
                shown.error = {"code": chunk.get("code", "internal"), "message": chunk["errorText"]}
            case str(kind) if kind.startswith("data-"):
                name = kind.removeprefix("data-")
                shown.data[name] = _together(shown.data.get(name), chunk["data"])
    return AnswerDocument(
        "".join(shown.texts),
        tuple(shown.sources),
        tuple(shown.citations),
        shown.data,
        tuple(shown.notices),
        shown.error,
    )


def _together(known: Any, told: Any) -> Any:
    """What an earlier step told and what a later one adds."""
    if isinstance(known, list) and isinstance(told, list):
        return [*known, *told]
    if isinstance(known, dict) and isinstance(told, dict):
        return {**known, **{name: _together(known.get(name), value) for name, value in told.items()}}
    return told


def _flat(citation: Citation, part_start: int) -> dict[str, Any]:
    return {
        "sourceId": citation["source"]["id"],
        "start": part_start + citation["startIndex"],
        "end": part_start + citation["endIndex"],
        "quote": citation["citedText"],
    }


async def read_chunks(answers: AnswerLog, meta: AnswerMeta) -> list[Chunk]:
    """The entries that the answer had when `meta` was read."""
    entries: list[bytes] = []
    while len(entries) < meta.head:
        page = await answers.read(meta.answer, len(entries), _PAGE)
        if not page:
            break
        entries += page
    return [orjson.loads(entry) for entry in entries[: meta.head]]


async def read_document(answers: AnswerLog, meta: AnswerMeta) -> AnswerDocument:
    return fold(await read_chunks(answers, meta))
