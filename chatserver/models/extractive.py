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
from chatserver.models.features import Candidate, candidates, padded, short_title
from chatserver.models.port import ModelPart, ModelRequest, NoticePart, TextPart
from chatserver.models.selection import MOST, select
from graph.types import Fact
from retrieval.errors import RetrievalError
from retrieval.ports import Embedder
from retrieval.text import Language
from retrieval.types import Passage, Vector

COVERED = 0.5
"""Share of the question's content words up to which a context that has no more of them does not speak of it."""
MOST_BESIDE_RECORDS = 2
MOST_FACTS = 3
_PIECE = re.compile(r"(?:\S+\s*){1,4}|\s+")


@dataclass(frozen=True, slots=True)
class Extract:
    """An answer before it is told: its Markdown, what it quotes, and how sure it is (0 to 1) that the context
    answers at all; without quotes and records it is a refusal."""

    text: str
    chosen: tuple[Candidate, ...]
    confidence: float


class ExtractiveModel:
    """Composes cited quotes. Without an embedder, or when it fails, sentences are ranked by words alone."""

    name = "extractive"

    def __init__(self, embedder: Embedder | None = None) -> None:
        self._embedder = embedder

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart, None]:
        yield NoticePart("no_model", composition.NO_MODEL[_language(request)])
        extract = await self.extract(request)
        for piece in pieces(extract.text):
            yield TextPart(piece)

    async def extract(self, request: ModelRequest) -> Extract:
        passages = [ranked.passage for ranked in request.context.passages]
        among = await asyncio.to_thread(candidates, passages)
        vectors = await self._embed(request.question, passages, among)
        return await asyncio.to_thread(_extract, request, passages, among, vectors)

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


def _extract(
    request: ModelRequest, passages: Sequence[Passage], among: Sequence[Candidate], vectors: Sequence[Vector] | None
) -> Extract:
    language = _language(request)
    covered = coverage(request.question, language, [f"{passage.title}\n{passage.text}" for passage in passages])
    answers = covered.share > COVERED
    most = 0 if not answers else MOST_BESIDE_RECORDS if request.context.records else MOST
    chosen = tuple(select(request.question, language, passages, among, vectors, most=most))
    return Extract(_compose(request, language, chosen, covered), chosen, covered.share)


def _compose(request: ModelRequest, language: Language, chosen: Sequence[Candidate], covered: Coverage) -> str:
    context = request.context
    if not chosen and not context.records:
        return composition.refusal(language, covered.missing, [r.passage.title for r in context.passages])
    return composition.answer(
        language,
        missing=() if context.records else covered.missing_names,
        table=composition.table(context.records, first=len(context.passages) + 1),
        quotes=composition.quotes(context.passages, chosen),
        facts=composition.bullets(_helpful(context.facts, request.question)),
    )


def _language(request: ModelRequest) -> Language:
    return "nl" if request.language == "nl" else "en"


def _helpful(facts: Sequence[Fact], question: str) -> list[Fact]:
    """Those about something that the question names."""
    asked = padded(question)
    named = [fact for fact in facts if any(padded(short_title(name)) in asked for name in (fact.subject, fact.object))]
    return named[:MOST_FACTS]
