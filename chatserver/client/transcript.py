"""Chunks folded into an answer: what a reader of all entries sees. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from chatserver.client.events import Chunk

State: TypeAlias = Literal["running", "completed", "stopped", "failed"]

_SEALS: Mapping[str, State] = {"finish": "completed", "abort": "stopped"}


@dataclass(frozen=True, slots=True)
class Source:
    """`[n]` in the text cites it."""

    n: int
    id: str
    title: str


@dataclass(frozen=True, slots=True)
class Citation:
    """`text[start:end]` of the answer rests on `source`; `quote` is the source's own words."""

    source: str
    start: int
    end: int
    quote: str


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as far as it has been read. `data` has the payload of each `data-*` entry by name
    (`decision`, `retrieval`, `records`, `timing`), the lists of several steps in one, `notices` every `data-notice`."""

    id: str
    chat: str
    question: str
    state: State = "running"
    text: str = ""
    sources: tuple[Source, ...] = ()
    citations: tuple[Citation, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    notices: tuple[Mapping[str, Any], ...] = ()
    error: tuple[str, str] | None = None
    """Code and message, when the state is `failed`."""

    def _repr_markdown_(self) -> str:
        """What a notebook shows: the text, how it ended unless it is whole, and what its marks stand for. The text is
        Markdown; what is HTML in it stays text."""
        parts = [_without_html(self.text)]
        if self.error is not None:
            parts.append(f"*failed: {_without_html(self.error[1])}*")
        elif self.state != "completed":
            parts.append(f"*{self.state}*")
        parts += [f"> **[{source.n}]** {_without_html(source.title)}" for source in self.sources if self._cites(source)]
        return "\n\n".join(part for part in parts if part)

    def _cites(self, source: Source) -> bool:
        return any(citation.source == source.id for citation in self.citations)

    def document(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        document: dict[str, Any] = {
            "answer": self.id,
            "chat": self.chat,
            "question": self.question,
            "state": self.state,
            "text": self.text,
            "sources": [{"n": s.n, "sourceId": s.id, "title": s.title} for s in self.sources],
            "citations": [
                {"sourceId": c.source, "start": c.start, "end": c.end, "quote": c.quote} for c in self.citations
            ],
            "data": dict(self.data),
            "notices": [dict(notice) for notice in self.notices],
        }
        if self.error:
            document["error"] = {"code": self.error[0], "message": self.error[1]}
        return document


def _without_html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


class Transcript:
    """The fold: `add` each entry's chunk once, in order; `answer` is what they have shown so far. `reset-step` takes
    back what its step showed. Text is gathered in pieces: joining it with each delta would be quadratic."""

    def __init__(self, answer: Answer) -> None:
        self._shown = answer
        self._text = [answer.text]
        self._length = len(answer.text)
        self._before_step = (self._shown, self._length)
        self._parts: dict[str, int] = {}

    @property
    def answer(self) -> Answer:
        self._text = ["".join(self._text)]
        return replace(self._shown, text=self._text[0])

    def add(self, chunk: Chunk) -> None:
        match chunk["type"]:
            case "text-delta":
                self._text.append(chunk["delta"])
                self._length += len(chunk["delta"])
            case "text-start":
                self._parts[chunk["id"]] = self._length
            case "text-end":
                self._show(citations=self._shown.citations + self._cited(chunk))
            case "source-document":
                sources = self._shown.sources
                self._show(sources=(*sources, Source(len(sources) + 1, chunk["sourceId"], chunk["title"])))
            case "start-step":
                self._before_step = (self._shown, self._length)
            case "reset-step":
                self._shown, self._length = self._before_step
                self._text = ["".join(self._text)[: self._length]]
            case "data-notice":
                self._show(notices=(*self._shown.notices, chunk["data"]))
            case "finish" | "abort":
                self._show(state=_SEALS[chunk["type"]])
            case "error":
                self._show(state="failed", error=(chunk.get("code", "internal"), chunk["errorText"]))
            case str(kind) if kind.startswith("data-"):
                self._show(data=_with(self._shown.data, kind.removeprefix("data-"), chunk["data"]))

    def identify(self, id: str) -> None:
        """The question has been accepted under this id."""
        self._show(id=id)

    def _show(self, **change: Any) -> None:
        self._shown = replace(self._shown, **change)

    def _cited(self, chunk: Chunk) -> tuple[Citation, ...]:
        # Offsets are told within the part; ours are within the whole text.
        base = self._parts.get(chunk["id"], 0)
        return tuple(
            Citation(c["source"]["id"], base + c["startIndex"], base + c["endIndex"], c["citedText"])
            for c in chunk.get("citations", ())
        )


def from_document(document: Mapping[str, Any]) -> Answer:
    """An answer as `GET /v1/answers/{id}` tells it."""
    error = document.get("error")
    state = document["state"]
    return Answer(
        id=document["answer"],
        chat=document["chat"],
        question=document["question"],
        state="running" if state == "queued" else state,
        text=document["text"],
        sources=tuple(Source(s["n"], s["sourceId"], s["title"]) for s in document["sources"]),
        citations=tuple(Citation(c["sourceId"], c["start"], c["end"], c["quote"]) for c in document["citations"]),
        data=document.get("data", {}),
        notices=tuple(document.get("notices", ())),
        error=(error["code"], error["message"]) if error else None,
    )


def _with(data: Mapping[str, Any], name: str, told: Any) -> dict[str, Any]:
    """With what one more entry says: a later step adds to the lists of an earlier one."""
    return {**data, name: _together(data.get(name), told)}


def _together(known: Any, told: Any) -> Any:
    if isinstance(known, list) and isinstance(told, list):
        return [*known, *told]
    if isinstance(known, dict) and isinstance(told, dict):
        return {**known, **{name: _together(known.get(name), value) for name, value in told.items()}}
    return told
