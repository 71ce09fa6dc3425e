import math
import re
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import astuple, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chatserver.models import rules
from chatserver.models.coverage import coverage
from chatserver.models.extractive import ExtractiveModel, pieces
from chatserver.models.features import candidates, features
from chatserver.models.port import Context, ModelRequest, NoticePart, TextPart
from chatserver.models.selection import by_probability, judged, kept
from chatserver.models.weights import dump, parse, shipped
from graph.types import Fact, Record
from retrieval.embedders.wordllama import WordLlamaEmbedder
from retrieval.errors import Temporary
from retrieval.scale import REFERENCE, CosineScale
from retrieval.text import Language
from retrieval.types import Passage, RankedPassage, Vector
from tests.ingest.crowded import COMMON, Crowded

OIL = Passage(
    "oil",
    "oil",
    "Oil of the compressor",
    "The compressor C-201 takes 42 litres of Frigol 68. The oil is changed every 16,000 hours. "
    "It must be warmer than 35 degrees before the start.",
)
STRAINER = Passage(
    "strainer",
    "strainer",
    "F-115 (glycol strainer)",
    "F-115 is a basket in the suction line of P-101. A full basket is failure mode FM-01.",
)
CLEANING = Passage(
    "cleaning",
    "cleaning",
    "MP-12 (cleaning the strainer)",
    "Stop both pumps. Close the valves on either side of F-115. Drain the housing into a bucket. "
    "Lift the basket out and rinse it with warm water.",
)
STORING = Passage(
    "storing",
    "storing",
    "Storingsdienst",
    "De monteur belt binnen 10 minuten terug. De storingsdienst is dag en nacht bereikbaar op nummer 4499.",
)
LIBRARY = (OIL, STRAINER, CLEANING, STORING)


class LetterEmbedder:
    """A small real embedder: unit vectors of letter counts."""

    name = "letters"
    dimension = 27

    def __init__(self, fault: Exception | None = None) -> None:
        self.fault = fault
        self.embedded = 0

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        if self.fault:
            raise self.fault
        self.embedded += len(texts)
        return [self._vector(text) for text in texts]

    @staticmethod
    def _vector(text: str) -> Vector:
        counts = [1.0] + [float(text.lower().count(letter)) for letter in "abcdefghijklmnopqrstuvwxyz"]
        length = math.hypot(*counts)
        return [count / length for count in counts]


def request(
    question: str,
    passages: Sequence[Passage] = LIBRARY,
    *,
    language: Language = "en",
    facts: Sequence[Fact] = (),
    records: Sequence[Record] = (),
) -> ModelRequest:
    ranked = tuple(RankedPassage(passage, 1 / n) for n, passage in enumerate(passages, 1))
    return ModelRequest(question, language, Context(ranked, tuple(facts), tuple(records)), ())


async def answer(request: ModelRequest, embedder: LetterEmbedder | None = None) -> tuple[str, list[str]]:
    text, notices = "", []
    async for part in ExtractiveModel(embedder).stream(request):
        match part:
            case TextPart(piece):
                text += piece
            case NoticePart(code, _):
                notices.append(code)
    return text, notices


def quoted(text: str) -> list[tuple[str, int]]:
    return [(quote, int(n)) for quote, n in re.findall(r"“(.+)” \[(\d+)\]", text)]


@pytest.mark.parametrize("embedder", [None, LetterEmbedder(), LetterEmbedder(Temporary("down"))])
async def test_the_answering_sentence_is_quoted_with_its_source(embedder: LetterEmbedder | None) -> None:
    """The quote is verbatim and cites its passage, with an embedder, without one, and when it fails."""
    text, notices = await answer(request("Which oil does the compressor C-201 take?"), embedder)
    assert ("The compressor C-201 takes 42 litres of Frigol 68.", 1) in quoted(text)
    assert all(quote in LIBRARY[n - 1].text for quote, n in quoted(text))
    assert notices == ["no_model"]


async def test_an_answer_is_at_most_five_sentences() -> None:
    """However much there is to say."""
    long = Passage(
        "long", "long", "Pumps", " ".join(f"The pump number {n} moves the glycol around." for n in range(40))
    )
    text, _ = await answer(request("Which pump moves the glycol around?", [long]))
    assert 0 < len(quoted(text)) <= 5


async def test_the_same_is_not_said_twice() -> None:
    """Near-duplicate sentences of overlapping or copied passages appear once."""
    copy = Passage("copy", "copy", "Copy", OIL.text.replace("42 litres", "about 42 litres"))
    text, _ = await answer(request("How much oil does the compressor C-201 take?", [OIL, copy]))
    assert sum("litres of Frigol 68" in quote for quote, _ in quoted(text)) == 1


async def test_steps_come_together_and_in_order() -> None:
    """A question for a procedure gets its neighbouring sentences in document order."""
    text, _ = await answer(request("How do I clean the strainer F-115?", [CLEANING, STRAINER, OIL]))
    steps = [quote for quote, n in quoted(text) if n == 1]
    assert len(steps) >= 2
    assert steps == sorted(steps, key=CLEANING.text.index)


@pytest.mark.parametrize(
    ("question", "language", "told", "missing"),
    [
        ("Who won the football cup?", "en", "The sources do not answer this.", "football"),
        ("What does the compressor cost?", "en", "The sources do not answer this.", "cost"),
        ("Hoeveel vakantiedagen krijgt iedereen?", "nl", "De bronnen geven hier geen antwoord op.", "vakantiedagen"),
    ],
)
async def test_what_is_not_covered_is_refused(question: str, language: Language, told: str, missing: str) -> None:
    """The refusal says what was not found, names the nearest titles and quotes nothing."""
    text, _ = await answer(request(question, language=language))
    assert text.startswith(told)
    assert f"“{missing}”" in text
    assert f"- {OIL.title}" in text
    assert "[" not in text


@pytest.mark.parametrize("question", ["Which oil does P-999 take?", "Who cleans the strainer of the Red Mill?"])
async def test_a_name_that_is_nowhere_is_told(question: str) -> None:
    """A question about an unknown thing gets no quotes about others: nothing was found about that thing."""
    text, _ = await answer(request(question))
    assert re.search("Nothing was found about .*“(P-999|Mill)”", text)
    assert not quoted(text)


async def test_nothing_to_answer_from_is_refused() -> None:
    """An empty context gets a refusal without titles."""
    text, _ = await answer(request("Which oil does it take?", []))
    assert text.startswith("The sources do not answer this.")
    assert "Nearest" not in text


async def test_dutch_questions_get_dutch_words() -> None:
    """The frame is in the question's language, the quote in its own."""
    fact = Fact("Storingsdienst", "noemt", "monteur", "storing")
    text, _ = await answer(request("Hoe is de storingsdienst bereikbaar?", language="nl", facts=[fact]))
    assert any("4499" in quote for quote, _ in quoted(text))
    assert "Verwant:" in text


async def test_facts_help_only_when_they_name_what_was_asked() -> None:
    """Relations between other things are left out."""
    facts = [Fact("F-115 (glycol strainer)", "cleaned by", "MP-12", "x"), Fact("C-201", "mentions", "H-225", "y")]
    text, _ = await answer(request("What is F-115?", facts=facts))
    assert "F-115 (glycol strainer) — cleaned by — MP-12" in text
    assert "H-225" not in text


async def test_totals_are_a_table_of_their_own() -> None:
    """Beside the records of the same collection, with which they share no field."""
    records = [Record("Event", "count", {"count": 0}), Record("Event", "E1", {"value": 3})]
    text, _ = await answer(request("how many events", [], records=records))
    assert "| Event | count |" in text
    assert "| Event | value |" in text


async def test_records_are_a_table_with_sources() -> None:
    """Records are numbered on after the passages; empty fields are empty cells."""
    records = [
        Record("TelemetryEvent", "e1", {"sensor": "PT-1", "value": 3.5, "ok": True, "note": "a|b"}),
        Record("TelemetryEvent", "e2", {"sensor": "PT-2", "value": None, "ok": False}),
    ]
    text, _ = await answer(request("the newest events", [OIL], records=records))
    assert "| TelemetryEvent | sensor | value | ok | note |" in text
    assert "| e1 [2] | PT-1 | 3.5 | true | a/b |" in text
    assert "| e2 [3] | PT-2 |  | false |  |" in text


async def test_a_sources_own_marks_are_not_quoted() -> None:
    """A `[9]` in a source does not become a citation."""
    marked = Passage("m", "m", "Marks", "The compressor takes oil of a special kind [9] every year.")
    text, _ = await answer(request("Which oil does the compressor take?", [marked]))
    assert quoted(text) == [("The compressor takes oil of a special kind every year.", 1)]


@given(question=st.text(max_size=40), texts=st.lists(st.text(max_size=80), max_size=4))
def test_any_context_can_be_selected_from(question: str, texts: list[str]) -> None:
    """Whatever question and passages hold, features are shares, and either order gives at most five candidates, each
    once, grouped by source."""
    passages = [Passage(str(n), str(n), text[:10], text) for n, text in enumerate(texts)]
    among = candidates(passages)
    rows = features(question, "en", passages, among, None)
    assert all(0 <= value <= 1 + 1e-9 for row in rows for value in astuple(row))
    for order in (
        by_probability(judged(among, rows, shipped())),
        rules.ordered(question, "en", among, rows, 10),
    ):
        chosen = kept(order, passages)
        places = [(candidate.source, candidate.place) for candidate in chosen]
        assert places == sorted(set(places))
        assert len(chosen) <= 5
        assert bool(chosen) == bool(among)


def test_the_weights_are_a_readable_file() -> None:
    """What the training writes is what the model reads, and weighs features that exist."""
    weights = shipped()
    assert parse(dump(weights)) == weights
    assert weights.trained_on
    assert 0 < weights.limits.refuse_below < weights.limits.partly_below < 1


async def test_a_chain_of_names_is_followed() -> None:
    """The sentence that names the next passage is quoted, and there what the question asks for, not the rest."""
    film = Passage("f", "f", "The Red Mill (film)", "The Red Mill is a 1931 drama film directed by Ann Harper.")
    director = Passage(
        "d",
        "d",
        "Ann Harper",
        "Ann Harper (4 May 1899 – 1970) was a Canadian film director. All her life she was fond of horses.",
    )
    other = Passage("o", "o", "Mill pond", "A mill pond is a body of water used by a mill. Ponds are often shallow.")
    text, _ = await answer(request("When was the director of film The Red Mill born?", [film, other, director]))
    quotes = [quote for quote, _ in quoted(text)]
    assert "The Red Mill is a 1931 drama film directed by Ann Harper." in quotes
    assert "Ann Harper (4 May 1899 – 1970) was a Canadian film director." in quotes
    assert "Ponds are often shallow." not in quotes


async def test_a_long_answer_ends_before_120_words() -> None:
    """Headings counted; the first sentence is quoted however long it is."""
    words = " ".join(f"word{n}" for n in range(60))
    long = Passage("l", "l", "Pumps", f"The pump {words}. The second pump {words} too. The third pump moves glycol.")
    text, _ = await answer(request("Which pump moves the glycol?", [long]))
    assert 0 < sum(len(quote.split()) for quote, _ in quoted(text)) <= 120


async def test_what_is_covered_in_part_is_said_so() -> None:
    """With half of the words and no name of its own missing, it is answered with what was not found."""
    text, notices = await answer(request("Which oil does the compressor C-201 take in winter?"))
    assert text.startswith("The sources cover this in part only. Nothing was found about")
    assert quoted(text)
    assert notices == ["no_model"]


async def test_a_refusal_needs_no_notice() -> None:
    """Where nothing is quoted there is nothing that a language model would have said better."""
    _, notices = await answer(request("Who won the football cup?"))
    assert notices == []


async def test_totals_stand_alone() -> None:
    """Beside a count nothing is quoted: the number is the whole answer. Beside a record something may be."""
    asked = request("How many litres of oil does the compressor take?")
    count = Record("Oil", "count where component = C-201", {"count": 42})
    whole, _ = await answer(replace(asked, context=replace(asked.context, records=(count,))))
    assert "| count where component = C-201" in whole
    assert quoted(whole) == []
    event = Record("Oil", "counter-1", {"count": 42})
    beside, _ = await answer(replace(asked, context=replace(asked.context, records=(event,))))
    assert quoted(beside)


@given(st.text())
def test_pieces_are_the_text(text: str) -> None:
    """Joined, the pieces are the text, and none is empty."""
    said = list(pieces(text))
    assert "".join(said) == text
    assert all(said)


@pytest.mark.parametrize(
    ("question", "language", "share", "missing"),
    [
        ("Which oil does C-201 take?", "en", 1.0, ()),
        ("What is P-999?", "en", 0.0, ("P-999",)),
        ("Is it what it was?", "en", 1.0, ()),
        ("Which basket of Bergen?", "en", 1 / 3, ("Bergen",)),
    ],
)
def test_coverage_counts_names_twice(question: str, language: Language, share: float, missing: tuple[str, ...]) -> None:
    """Function words don't count; a name or a code weighs as two words."""
    covered = coverage(question, language, LIBRARY)
    assert covered.share == pytest.approx(share)
    assert covered.missing_names == missing


def test_candidates_of_copied_passages_appear_once() -> None:
    """The overlap of two chunks is one candidate."""
    found = candidates([OIL, OIL])
    assert {candidate.source for candidate in found} == {0}


async def test_where_all_texts_lie_near_each_other_a_question_is_no_nearer_for_that() -> None:
    """By the scale of such an embedder the question is on the topic as surely as by the default one; without it it
    would be more so."""

    async def scale() -> CosineScale:
        return CosineScale(COMMON + (1 - COMMON) * REFERENCE.floor, (1 - COMMON) * REFERENCE.span)

    asked = request("Who won the chess tournament in Oslo?")
    async with aclosing(Crowded()) as crowded, aclosing(WordLlamaEmbedder()) as default:
        wanted = (await ExtractiveModel(default).extract(asked)).on_topic
        assert (await ExtractiveModel(crowded, scale=scale).extract(asked)).on_topic == pytest.approx(wanted)
        assert (await ExtractiveModel(crowded).extract(asked)).on_topic > 2 * wanted
