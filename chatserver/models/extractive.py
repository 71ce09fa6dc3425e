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
from chatserver.models.comparison import Compared, compared
from chatserver.models.coverage import UNKNOWN, Coverage, coverage, evidence
from chatserver.models.features import Candidate, Features, candidates, features
from chatserver.models.limits import LimitsStore
from chatserver.models.port import Context, ModelPart, ModelRequest, NoticePart, TextPart
from chatserver.models.selection import MOST, MOST_WORDS, by_probability, is_sure, judged, kept
from chatserver.models.weights import Limits, Weights, shipped
from graph.totals import is_total
from graph.types import Fact
from retrieval.errors import RetrievalError
from retrieval.ports import Embedder
from retrieval.scale import AskScale, CosineScale, cosine, reference
from retrieval.text import Language, words
from retrieval.types import Passage, Vector

Tier: TypeAlias = Literal["covered", "partly", "not_covered"]

HALF = 0.5
MOST_BESIDE_RECORDS = 2
MOST_FACTS = 3
_PIECE = re.compile(r"(?:\S+\s*){1,4}|\s+")


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen of a context before any weighing: its sentences, what is told of each, what of the question they
    cover, and the greatest cosine of the question and one of them (`UNKNOWN` without vectors)."""

    among: tuple[Candidate, ...]
    rows: tuple[Features, ...]
    covered: Coverage
    meaning: float


@dataclass(frozen=True, slots=True)
class Extract:
    """An answer before it is told: its Markdown, what it quotes, the passages it cites (places in the context, from
    0), and how likely (0 to 1) the context answers the question and speaks of its topic at all, from which the tier
    follows. What is not covered is quoted nothing for."""

    text: str
    chosen: tuple[Candidate, ...]
    cited: frozenset[int]
    confidence: float
    on_topic: float
    tier: Tier


class ExtractiveModel:
    """Composes cited quotes. Without an embedder, or when it fails, sentences are ranked by words alone; without the
    limits that a namespace was measured to need, the trained ones part the tiers."""

    name = "extractive"

    def __init__(
        self,
        embedder: Embedder | None = None,
        weights: Weights | None = None,
        limits: LimitsStore | None = None,
        scale: AskScale = reference,
    ) -> None:
        self._embedder = embedder
        self._scale = scale
        self._weights = weights or shipped()
        self._limits = limits

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelPart, None]:
        """The notice comes with what is quoted: a refusal has nothing that a reader could take for a model's words."""
        extract = await self.extract(request)
        if extract.chosen or request.context.records:
            yield NoticePart("no_model", composition.NO_MODEL[_language(request)])
        for piece in pieces(extract.text):
            yield TextPart(piece)

    async def extract(self, request: ModelRequest) -> Extract:
        sight = await self.look(request)
        limits = await self._limits_of(request.namespace)
        return await asyncio.to_thread(extract, request, sight, self._weights, limits)

    async def look(self, request: ModelRequest) -> Sight:
        passages = [ranked.passage for ranked in request.context.passages]
        among = await asyncio.to_thread(candidates, passages)
        vectors = await self._embed(_asked(request), passages, among)
        return await asyncio.to_thread(_sight, request, passages, among, vectors, await self._scale())

    async def aclose(self) -> None:
        """Nothing is held: the embedder belongs to who gave it."""

    async def _limits_of(self, namespace: str) -> Limits:
        trained = self._weights.limits
        if self._limits is None:
            return trained
        try:
            measured = await self._limits.get(namespace)
        except RetrievalError:
            return trained
        return measured.limits if measured else trained

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


def extract(request: ModelRequest, sight: Sight, weights: Weights, limits: Limits) -> Extract:
    passages = [ranked.passage for ranked in request.context.passages]
    among = judged(sight.among, sight.rows, weights)
    seen = evidence(sight.covered, among, sight.meaning)
    confidence, on_topic = (weights.covered(seen), weights.on_topic(seen)) if among else (0.0, 0.0)
    found = None if _beside_passages(request.context) else compared(request.question, passages)
    tier = "covered" if found else _tier(confidence, on_topic, sight.covered, limits)
    most = _most(request.context, tier)
    if is_sure(among):
        order = by_probability(among)
    else:
        order = rules.ordered(_asked(request), _language(request), sight.among, sight.rows, 2 * MOST)
    short = _short(request, found)
    chosen = tuple(kept(order, passages, most - bool(short), MOST_WORDS - len(words(short))))
    cited = {candidate.source for candidate in chosen} | set(found.sources if found else ())
    text = _compose(request, short, chosen, sight.covered, tier)
    return Extract(text, chosen, frozenset(cited), confidence, on_topic, tier)


def _beside_passages(context: Context) -> bool:
    return bool(context.looked or context.records or context.notes)


def _short(request: ModelRequest, found: Compared | None) -> str:
    if found is None:
        return ""
    context = request.context
    return composition.comparison(_language(request), found, context.passages, context.passage_numbers)


def _most(context: Context, tier: Tier) -> int:
    """Sentences; none beside totals, which are the whole answer. What was looked up for a name that a record holds is
    about that name: nothing of it is refused."""
    if context.looked:
        return min(MOST, MOST_BESIDE_RECORDS * len(context.looked))
    if _totals_alone(context):
        return 0
    return 0 if tier == "not_covered" else MOST_BESIDE_RECORDS if context.records else MOST


def _sight(
    request: ModelRequest,
    passages: Sequence[Passage],
    among: Sequence[Candidate],
    vectors: Sequence[Vector] | None,
    scale: CosineScale,
) -> Sight:
    language = _language(request)
    cosines = [scale.as_default(cosine(vectors[0], vector)) for vector in vectors[1:]] if vectors else None
    rows = features(_asked(request), language, passages, among, cosines)
    covered = coverage(_asked(request), language, passages)
    return Sight(tuple(among), tuple(rows), covered, max(cosines) if cosines else UNKNOWN)


def _tier(confidence: float, on_topic: float, covered: Coverage, limits: Limits) -> Tier:
    """What has half of its words nowhere in the context is refused, also where the models don't know this sort of
    text. Nothing is said to be covered in part unless it can be told which words are missing."""
    if covered.share <= HALF or on_topic < limits.refuse_below:
        return "not_covered"
    return "partly" if covered.missing and confidence < limits.partly_below else "covered"


def _compose(request: ModelRequest, short: str, chosen: Sequence[Candidate], covered: Coverage, tier: Tier) -> str:
    context, language = request.context, _language(request)
    if not chosen and not context.records and not context.notes:
        return composition.refusal(language, covered.missing, [r.passage.title for r in context.passages])
    return composition.answer(
        language,
        short=short,
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
