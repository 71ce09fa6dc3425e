"""What the HTTP doors give, as JSON documents; those of the OpenAI API stand in `completions`."""

from typing import Any, Literal

from pydantic import RootModel

from chatserver.answers.states import AnswerState
from chatserver.edge.description.completions import CompletionError
from chatserver.edge.description.entries import (
    Entry,
    Grounding,
    IngestResult,
    LeftOut,
    Notice,
    OurData,
    Progress,
    Retrieval,
    SourceDocument,
    StageProgress,
    Timing,
)
from chatserver.generation.generations import InFlight
from chatserver.pipeline.decide import Decision
from chatserver.protocol.chunks import Citation
from chatserver.protocol.codes import ErrorCode
from chatserver.protocol.events import End
from chatserver.protocol.sparse import Sparse
from graph.types import Edge, NodeKind, Record
from retrieval.types import Via


class Problem(Sparse):
    """RFC 9457."""

    type: str
    status: int
    code: ErrorCode
    detail: str
    error: CompletionError | None = None
    """Of chat completions alone."""


class Session(Sparse):
    user: str
    namespaces: list[str] | None
    """Null: all there are."""
    operator: bool
    expires_at: float | None
    """Seconds since the Unix epoch."""


class Chat(Sparse):
    chat: str
    title: str
    updated_at: float
    answers: int


class Chats(Sparse):
    chats: list[Chat]
    next: str | None


class Source(Sparse):
    n: int
    sourceId: str
    title: str


class Quote(Sparse):
    """`text[start:end]`, in code points, rests on the source; `quote` is its own words."""

    sourceId: str
    start: int
    end: int
    quote: str


class Failure(Sparse):
    code: str
    message: str


class AnswerData(Sparse):
    """The payloads of the `data-*` entries, lists of several steps one after the other."""

    decision: Decision | None = None
    retrieval: Retrieval | None = None
    records: list[Record] | None = None
    grounding: Grounding | None = None
    timing: Timing | None = None
    progress: Progress | None = None
    """This and what follows: of a job."""
    problems: list[LeftOut] | None = None
    result: IngestResult | None = None


class ChatAnswer(Sparse):
    answer: str
    chat: str
    question: str
    after: str | None
    """The answer that the question follows, empty for none; null where it follows the one before it."""
    asked_at: float
    state: AnswerState
    epoch: str
    head: int
    acknowledged: int
    """The last `seq` that was acknowledged, -1 for none."""
    text: str
    sources: list[Source]
    citations: list[Quote]
    notices: list[Notice]
    data: AnswerData
    error: Failure | None


class Answer(ChatAnswer):
    timeline: dict[str, float]
    """Seconds since the Unix epoch."""


class ChatAnswers(Sparse):
    answers: list[ChatAnswer]


class AnswerEvent(RootModel[Entry]):
    """`data` of an event without a name."""


class AnswerEnd(End):
    """`data` of the event `end`."""


class StepStartPart(Sparse):
    type: Literal["step-start"]


class TextPart(Sparse):
    type: Literal["text"]
    text: str
    state: Literal["done"] | None = None
    citations: list[Citation] | None = None


class UiMessageDocument(Sparse):
    id: str
    role: Literal["user", "assistant"]
    parts: list[StepStartPart | TextPart | SourceDocument | OurData]


class UiMessages(Sparse):
    messages: list[UiMessageDocument]


class PassageDocument(Sparse):
    id: str
    document: str
    title: str
    text: str
    metadata: dict[str, Any]


class DocumentRemoved(Sparse):
    document: str
    namespace: str


class RecordRemoved(Sparse):
    collection: str
    record: str
    namespace: str


class SearchedPassage(Sparse):
    id: str
    title: str
    text: str
    score: float
    why: list[str]
    ranks: dict[str, int]
    via: Via | None = None


class SearchResult(Sparse):
    query: str
    passages: list[SearchedPassage]
    ms: float
    error: str | None = None
    """The code of what went wrong with this query."""


class SearchResults(Sparse):
    results: list[SearchResult]
    success_rate: float
    retries: int
    empty_contexts: int


class GraphNode(Sparse):
    id: str
    label: str
    kind: NodeKind
    depth: int
    parent: str | None
    words: str
    """How it hangs on its parent."""
    n: int | None = None
    """A source's number in the answer."""


class GraphView(Sparse):
    """A tree, its centre first, each node after its parent; `edges` are those that are not on it."""

    namespace: str
    nodes: list[GraphNode]
    edges: list[Edge]
    complete: bool


class JobAccepted(Sparse):
    job_id: str
    status_url: str
    estimated_wait_s: float | None


class Job(Sparse):
    job_id: str
    status: Literal["queued", "processing", "completed", "cancelled", "failed"]
    progress: int
    stages: dict[str, StageProgress]
    title: str
    namespace: str
    created_at: float
    epoch: str
    head: int
    problems: list[LeftOut]
    notices: list[Notice]
    waits_for: Failure | None = None
    retry_of: str | None = None
    result: IngestResult | None = None
    error: Failure | None = None


class JobList(Sparse):
    jobs: list[Job]


class InFlightDocument(Sparse):
    connections: int
    generations: list[InFlight]


class Health(Sparse):
    status: Literal["ok"]
    version: str


class Dependency(Sparse):
    kind: str
    up: bool
    ms: float | None = None
    breaker: Literal["closed", "half_open", "open"] | None = None


class Readiness(Sparse):
    """`dependencies` are for operators."""

    status: Literal["ready", "draining", "not ready"]
    dependencies: dict[str, Dependency] | None = None
