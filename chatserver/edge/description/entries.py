"""The entries of an answer's log and of a job's: UI message chunks of the AI SDK 7, `data-*` ours.

`chatserver.protocol.chunks` writes them.
"""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from chatserver.pipeline.decide import Decision
from chatserver.pipeline.looking import Look
from chatserver.protocol.chunks import Citation, FinishReason
from chatserver.protocol.sparse import Sparse
from graph.types import Fact, Note, Record
from retrieval.types import LegState, Via


class Start(Sparse):
    """The answer begins."""

    type: Literal["start"]
    messageId: str


class StartStep(Sparse):
    type: Literal["start-step"]


class FinishStep(Sparse):
    type: Literal["finish-step"]


class ResetStep(Sparse):
    """Drop what the open step has shown: another process has taken the answer over and tells the step again."""

    type: Literal["reset-step"]


class TextStart(Sparse):
    type: Literal["text-start"]
    id: str


class TextDelta(Sparse):
    type: Literal["text-delta"]
    id: str
    delta: str


class TextEnd(Sparse):
    type: Literal["text-end"]
    id: str
    citations: list[Citation] | None = None


class SourceDocument(Sparse):
    """A source. The n-th of these is what `[n]` in the text refers to."""

    type: Literal["source-document"]
    sourceId: str
    mediaType: str
    title: str


class Leg(Sparse):
    leg: str
    state: LegState
    ms: float
    hits: int
    code: str | None = None
    """Why it is late or has failed."""


class FoundPassage(Sparse):
    id: str
    n: int
    """Its number in the answer."""
    title: str
    score: float
    why: list[str]
    ranks: dict[str, int]
    """Its place in each leg that found it, from 1."""
    via: Via | None = None


class Retrieval(Sparse):
    legs: list[Leg]
    passages: list[FoundPassage]
    """What this step adds."""
    facts: list[Fact]
    asked: list[str] | None = None
    """The queries of the records, in words."""
    planned_by: Literal["rules", "model"] | None = None
    notes: list[Note] | None = None
    looked: list[str] | None = None
    next: list[Look] | None = None
    stopped: str | None = None
    """Why no step follows."""


class Notice(Sparse):
    code: str
    message: str


class Place(Sparse):
    """Code points of the text."""

    start: int
    end: int


class Grounding(Sparse):
    share: float | None
    statements: int
    supported: int
    by: Literal["words", "words and vectors"]
    unsupported: list[Place]


class TokenUsage(Sparse):
    input_tokens: int
    output_tokens: int


class Timing(Sparse):
    decide_ms: float | None = None
    retrieve_ms: float | None = None
    first_text_ms: float | None = None
    total_ms: float
    outcome: str
    model: str | None = None
    prompt: str | None = None
    """Hash of the templates."""
    usage: TokenUsage | None = None
    dropped_marks: int | None = None
    left_out: int | None = None


class StageProgress(Sparse):
    done: int
    total: int


class Progress(Sparse):
    progress: int
    """Percent."""
    stages: dict[str, StageProgress]


class LeftOut(Sparse):
    """Something that a job left out. `line` counts from 1, 0 when it is about the whole file."""

    code: str
    message: str
    file: str
    line: int


class IngestResult(Sparse):
    documents: int
    passages: int
    records: int
    unchanged: int
    left_out: int
    skipped: list[str]
    """Files of a kind that is not read."""


class DataDecision(Sparse):
    type: Literal["data-decision"]
    data: Decision


class DataRetrieval(Sparse):
    type: Literal["data-retrieval"]
    data: Retrieval


class DataRecords(Sparse):
    type: Literal["data-records"]
    data: list[Record]


class DataNotice(Sparse):
    type: Literal["data-notice"]
    data: Notice


class DataGrounding(Sparse):
    type: Literal["data-grounding"]
    data: Grounding


class DataTiming(Sparse):
    type: Literal["data-timing"]
    data: Timing


class DataProgress(Sparse):
    type: Literal["data-progress"]
    data: Progress


class DataProblems(Sparse):
    type: Literal["data-problems"]
    data: list[LeftOut]


class DataResult(Sparse):
    type: Literal["data-result"]
    data: IngestResult


class Finish(Sparse):
    """Sealed: completed."""

    type: Literal["finish"]
    finishReason: FinishReason


class Abort(Sparse):
    """Sealed: stopped. The text so far stays."""

    type: Literal["abort"]
    reason: str


class Failed(Sparse):
    """Sealed: failed. The text so far stays; `errorText` is fit for people."""

    type: Literal["error"]
    errorText: str
    code: str


OurData: TypeAlias = (
    DataDecision
    | DataRetrieval
    | DataRecords
    | DataNotice
    | DataGrounding
    | DataTiming
    | DataProgress
    | DataProblems
    | DataResult
)

Entry: TypeAlias = Annotated[
    Start
    | StartStep
    | FinishStep
    | ResetStep
    | TextStart
    | TextDelta
    | TextEnd
    | SourceDocument
    | OurData
    | Finish
    | Abort
    | Failed,
    Field(discriminator="type"),
]
