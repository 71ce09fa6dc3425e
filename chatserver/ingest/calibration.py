"""After an ingest: the limits between answered, covered in part and not covered, measured for what is there now.

`chatserver.models.calibration` says on which questions. It takes a second or two, so a namespace is measured again only
when it has grown or shrunk by a tenth since, or when it is measured in another way.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from chatserver.models.calibration import FEWEST, OWN, foreign_questions, measured, of_few, own_question
from chatserver.models.limits import LimitsStore, Measured
from chatserver.models.port import Context, ModelRequest
from chatserver.models.weights import Limits
from retrieval.errors import RetrievalError
from retrieval.text import Language, language
from retrieval.types import Found, Passage, Query, RankedPassage

log = structlog.get_logger(__name__)

SPARE = 8
"""Passages found beyond those that an answer is written from: they move up when a document is left out."""
CHANGED = 0.1


class Told(Protocol):
    """Of an answer, how likely the context speaks of the question's topic, and how likely it answers."""

    @property
    def on_topic(self) -> float: ...

    @property
    def confidence(self) -> float: ...


class Passages(Protocol):
    """Of `retrieval.ports.DocumentStore`, what is needed here."""

    async def sample(self, size: int, *, namespace: str = "") -> list[Passage]: ...
    async def count(self, *, namespace: str = "") -> Mapping[str, int]: ...


Search = Callable[[Query], Awaitable[Found]]
Judge = Callable[[ModelRequest], Awaitable[Told]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a corpus is measured by: foreign questions, and own ones with and without the document they are made of."""

    foreign: Mapping[Language, Sequence[ModelRequest]]
    own: Sequence[ModelRequest]
    without: Sequence[ModelRequest]

    async def limits(self, judge: Judge, trained: Limits) -> Limits:
        foreign = {of: [(await judge(one)).on_topic for one in requests] for of, requests in self.foreign.items()}
        own, without = [[(await judge(one)).confidence for one in some] for some in (self.own, self.without)]
        return measured(foreign, own, without, trained)


async def ask(search: Search, documents: Passages, namespace: str, top_k: int) -> Asked:
    """Raises `RetrievalError`."""

    async def found(question: str) -> Sequence[RankedPassage]:
        return (await search(Query(question, namespace, top_k=top_k + SPARE))).passages

    def request(question: str, passages: Sequence[RankedPassage], left_out: str = "") -> ModelRequest:
        kept = [ranked for ranked in passages if ranked.passage.document != left_out]
        return ModelRequest(question, language(question), Context(tuple(kept[:top_k])), ())

    foreign = {
        of: [request(one, await found(one)) for one in questions] for of, questions in foreign_questions().items()
    }
    own, without = [], []
    for passage in await documents.sample(OWN, namespace=namespace):
        if question := own_question(passage):
            passages = await found(question)
            own.append(request(question, passages))
            without.append(request(question, passages, passage.document))
    return Asked(foreign, own, without)


@dataclass(frozen=True, slots=True)
class Calibration:
    """`trained` are the limits of a corpus that is not measured; `by` names all that decides what is measured."""

    search: Search
    documents: Passages
    judge: Judge
    store: LimitsStore
    trained: Limits
    by: str
    top_k: int

    async def settle(self, namespace: str) -> None:
        """Measures a namespace if it is due. It must not cost an ingest: what fails is logged, and the limits stay as
        they were."""
        try:
            await self._settle(namespace)
        except RetrievalError as error:
            log.warning("limits of answers not measured", code=error.code)

    async def _settle(self, namespace: str) -> None:
        passages = (await self.documents.count(namespace=namespace))["passages"]
        last = await self.store.get(namespace)
        if last and last.by == self.by and abs(passages - last.passages) <= CHANGED * last.passages:
            return
        limits = of_few(self.trained)
        if passages >= FEWEST:
            asked = await ask(self.search, self.documents, namespace, self.top_k)
            limits = await asked.limits(self.judge, self.trained)
        await self.store.put(namespace, Measured(limits, passages, self.by))
