"""The answerer that needs no language model: it quotes the sentences of the context that answer best.

It writes nothing of its own but a frame: every statement is a verbatim quote with its source. When the context does
not speak of what was asked it says so, and names what it found nearest. It tells, each time, that no model is
configured. Ranking is in `selection`, refusal in `coverage`; here they become an answer.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass

from chatserver.models import composition
from chatserver.models.coverage import Coverage, coverage
from chatserver.models.port import ModelPart, ModelRequest, NoticePart, TextPart
from chatserver.models.selection import MOST, Candidate, candidates, dot, padded, select, short_title
from graph.types import Fact
from retrieval.errors import RetrievalError
from retrieval.ports import Embedder
from retrieval.text import Language
from retrieval.types import Passage, Vector

COVERED = 0.5
"""Share of the question's content words up to which a context that has no more of them does not speak of it."""
NEAR = 0.35
"""Cosine of question and sentence from which a context that has not the question's words may still mean it; of
questions and contexts that have nothing to do with one another, 95 % lie below."""
MOST_BESIDE = 2
"""Sentences beside records, or under a refusal."""
MOST_FACTS = 3
_PIECE = re.compile(r"(?:\S+\s*){1,4}|\s+")


@dataclass(frozen=True, slots=True)
class _Materials:
    """What an answer is composed from."""

    chosen: tuple[Candidate, ...]
    covered: Coverage
    answers: bool
    """Whether the chosen sentences answer; else they are only what comes nearest."""


class ExtractiveModel:
    """Composes cited quotes. Without an embedder, or when it fails, sentences are ranked by words alone."""

    name = "extractive"

    def __init__(self, embedder: Embedder | None = None) -> None:
        self._embedder = embedder

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart, None]:
        language: Language = "nl" if request.language == "nl" else "en"
        yield NoticePart("no_model", composition.NO_MODEL[language])
        passages = [ranked.passage for ranked in request.context.passages]
        among = await asyncio.to_thread(candidates, passages)
        vectors = await self._embed(request.question, passages, among)
        materials = await asyncio.to_thread(_choose, request, language, passages, among, vectors)
        text = _compose(request, language, materials)
        for piece in pieces(text):
            yield TextPart(piece)

    async def aclose(self) -> None:
        """Nothing is held: the embedder belongs to who gave it."""

    async def _embed(
        self, question: str, passages: Sequence[Passage], among: Sequence[Candidate]
    ) -> list[Vector] | None:
        if self._embedder is None or not among:
            return None
        texts = [question] + [f"{passages[c.source].title}. {c.sentence.text}" for c in among]
        try:
            return await self._embedder.embed(texts)
        except RetrievalError:
            return None


def pieces(text: str) -> Iterator[str]:
    """A few words at a time, white space included: joined they are `text`."""
    return (match.group() for match in _PIECE.finditer(text))


def _choose(
    request: ModelRequest,
    language: Language,
    passages: Sequence[Passage],
    among: Sequence[Candidate],
    vectors: Sequence[Vector] | None,
) -> _Materials:
    covered = coverage(request.question, language, [f"{passage.title}\n{passage.text}" for passage in passages])
    answers = covered.share > COVERED
    most = MOST if answers and not request.context.records else MOST_BESIDE
    if not answers and _nearness(vectors) < NEAR:
        most = 0
    chosen = select(request.question, language, passages, among, vectors, most=most)
    return _Materials(tuple(chosen), covered, answers and bool(chosen))


def _nearness(vectors: Sequence[Vector] | None) -> float:
    return max((dot(vectors[0], vector) for vector in vectors[1:]), default=0.0) if vectors else 0.0


def _compose(request: ModelRequest, language: Language, materials: _Materials) -> str:
    context, covered = request.context, materials.covered
    quotes = composition.quotes(context.passages, materials.chosen)
    if not materials.answers and not context.records:
        titles = [ranked.passage.title for ranked in context.passages]
        return composition.refusal(language, covered.missing, titles, quotes)
    return composition.answer(
        language,
        missing=() if context.records else covered.missing_names,
        table=composition.table(context.records, first=len(context.passages) + 1),
        quotes=quotes if materials.answers else "",
        facts=composition.bullets(_helpful(context.facts, request.question)),
    )


def _helpful(facts: Sequence[Fact], question: str) -> list[Fact]:
    """Those about something that the question names."""
    asked = padded(question)
    return [fact for fact in facts if any(padded(short_title(name)) in asked for name in (fact.subject, fact.object))][
        :MOST_FACTS
    ]
