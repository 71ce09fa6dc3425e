"""The answerer that needs no language model: it quotes the sentences of the context that answer best.

It writes nothing of its own but a frame: every statement is a verbatim quote with its source. What the context covers
in part is said to be so; when it does not speak of what was asked, the answer says that, and names what it found
nearest. Ranking is in `selection`, refusal in `coverage`; here they become an answer.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from chatserver.models import composition, rules
from chatserver.models.chains import padded, short_title
from chatserver.models.coverage import Coverage, coverage, evidence
from chatserver.models.features import Candidate, Features, candidates, features
from chatserver.models.port import Context, ModelPart, ModelRequest, NoticePart, TextPart
from chatserver.models.selection import MOST, by_probability, is_sure, judged, kept
from chatserver.models.weights import Weights, shipped
from graph.totals import is_total
from graph.types import Fact
from retrieval.errors import RetrievalError
from retrieval.ports import Embedder
from retrieval.text import Language
from retrieval.types import Passage, Vector

Tier: TypeAlias = Literal["covered", "partly", "not_covered"]

HALF = 0.5
MOST_BESIDE_RECORDS = 2
MOST_FACTS = 3
_PIECE = re.compile(r"(?:\S+\s*){1,4}|\s+")


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen of a context before any weighing: its sentences, what is told of each, and what of the question
    they cover."""

    among: tuple[Candidate, ...]
    rows: tuple[Features, ...]
    covered: Coverage


@dataclass(frozen=True, slots=True)
class Extract:
    """An answer before it is told: its Markdown, what it quotes, and how likely (0 to 1) the context answers the
    question, from which the tier follows. What is not covered is quoted nothing for."""

    text: str
    chosen: tuple[Candidate, ...]
    confidence: float
    tier: Tier


class ExtractiveModel:
    """Composes cited quotes. Without an embedder, or when it fails, sentences are ranked by words alone."""

    name = "extractive"

    def __init__(self, embedder: Embedder | None = None, weights: Weights | None = None) -> None:
        self._embedder = embedder
        self._weights = weights or shipped()

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart, None]:
        """The notice comes with what is quoted: a refusal has nothing that a reader could take for a model's words."""
        extract = await self.extract(request)
        if extract.chosen or request.context.records:
            yield NoticePart("no_model", composition.NO_MODEL[_language(request)])
        for piece in pieces(extract.text):
            yield TextPart(piece)

    async def extract(self, request: ModelRequest) -> Extract:
        sight = await self.look(request)
        return await asyncio.to_thread(extract, request, sight, self._weights)

    async def look(self, request: ModelRequest) -> Sight:
        passages = [ranked.passage for ranked in request.context.passages]
        among = await asyncio.to_thread(candidates, passages)
        vectors = await self._embed(_asked(request), passages, among)
        return await asyncio.to_thread(_sight, request, passages, among, vectors)

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


def extract(request: ModelRequest, sight: Sight, weights: Weights) -> Extract:
    passages = [ranked.passage for ranked in request.context.passages]
    among = judged(sight.among, sight.rows, weights)
    confidence = weights.covered(evidence(sight.covered, among)) if among else 0.0
    tier = _tier(confidence, sight.covered, weights)
    most = _most(request.context, tier)
    if is_sure(among):
        order = by_probability(among)
    else:
        order = rules.ordered(_asked(request), _language(request), sight.among, sight.rows, 2 * MOST)
    chosen = tuple(kept(order, passages, most))
    return Extract(_compose(request, chosen, sight.covered, tier), chosen, confidence, tier)


def _most(context: Context, tier: Tier) -> int:
    """Sentences; none beside totals, which are the whole answer. What was looked up for a name that a record holds is
    about that name: nothing of it is refused."""
    if context.looked:
        return min(MOST, MOST_BESIDE_RECORDS * len(context.looked))
    if _totals_alone(context):
        return 0
    return 0 if tier == "not_covered" else MOST_BESIDE_RECORDS if context.records else MOST


def _sight(
    request: ModelRequest, passages: Sequence[Passage], among: Sequence[Candidate], vectors: Sequence[Vector] | None
) -> Sight:
    language = _language(request)
    rows = features(_asked(request), language, passages, among, vectors)
    covered = coverage(_asked(request), language, [f"{passage.title}\n{passage.text}" for passage in passages])
    return Sight(tuple(among), tuple(rows), covered)


def _tier(confidence: float, covered: Coverage, weights: Weights) -> Tier:
    """Nothing is refused but for words that are nowhere in the context: a whole name or code, or half of all words.
    So much can be explained to who asked, also where the models don't know this sort of text."""
    if covered.share <= HALF or (confidence < weights.refuse_below and covered.missing_phrases):
        return "not_covered"
    return "partly" if covered.missing and confidence < weights.partly_below else "covered"


def _compose(request: ModelRequest, chosen: Sequence[Candidate], covered: Coverage, tier: Tier) -> str:
    context, language = request.context, _language(request)
    if not chosen and not context.records and not context.notes:
        return composition.refusal(language, covered.missing, [r.passage.title for r in context.passages])
    return composition.answer(
        language,
        partly=""
        if context.records or context.notes or tier == "covered"
        else composition.partly(language, covered.missing),
        missing=() if context.records or context.notes or tier == "partly" else covered.missing_names,
        notes=context.notes,
        table=composition.table(context.records, context.record_numbers),
        quotes=composition.quotes(context.passages, context.passage_numbers, chosen),
        facts=composition.bullets(
            [] if _totals_alone(context) else _helpful(context.facts, request.question), _numbers(context)
        ),
    )


def _totals_alone(context: Context) -> bool:
    return bool(context.records) and all(map(is_total, context.records))


def _numbers(context: Context) -> dict[str, int]:
    return dict(zip((ranked.passage.id for ranked in context.passages), context.passage_numbers, strict=True))


def _asked(request: ModelRequest) -> str:
    """What the passages are to speak of: the question, or what its records name and was searched for on its behalf."""
    return ", ".join(request.context.looked) or request.question


def _language(request: ModelRequest) -> Language:
    return "nl" if request.language == "nl" else "en"


def _helpful(facts: Sequence[Fact], question: str) -> list[Fact]:
    """Those about something that the question names."""
    asked = padded(question)
    named = [fact for fact in facts if any(padded(short_title(name)) in asked for name in (fact.subject, fact.object))]
    return named[:MOST_FACTS]
