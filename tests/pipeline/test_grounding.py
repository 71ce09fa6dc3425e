"""How much of an answer rests on what it cites."""

import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from chatserver.pipeline.citations import Source
from chatserver.pipeline.grounding import Grounding, statements
from retrieval.embedders.wordllama import WordLlamaEmbedder
from retrieval.errors import Temporary
from retrieval.ports import Embedder
from retrieval.scale import AskScale, CosineScale, alike, means_over, reference
from retrieval.types import Vector
from tests.ingest.crowded import Crowded
from tests.pipeline.grounding_pairs import CARRIED, NOT_CARRIED

pytestmark = pytest.mark.asyncio(loop_scope="module")

SAMPLE = Path(__file__).parents[2] / "examples" / "cooling-unit" / "passages.jsonl"
SOURCES = {
    passage["id"]: Source(passage["id"], passage["text"], passage["title"])
    for passage in map(json.loads, SAMPLE.read_text("utf-8").splitlines())
}
PUMP, TOWER = SOURCES["P-101"], SOURCES["CT-401"]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def embedder() -> AsyncIterator[Embedder]:
    each = WordLlamaEmbedder()
    yield each
    await each.aclose()


class Away:
    """An embedder that can't be reached."""

    name, dimension = "away", 8

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        raise Temporary("away")

    async def aclose(self) -> None:
        """Nothing is held."""


async def share(pairs: Sequence[tuple[str, str]], embedder: Embedder, scale: AskScale = reference) -> float:
    """Of these statements, each with a mark to its passage."""
    grounding = Grounding(embedder, scale, limit_s=30)
    told = [await grounding.of(f"{words[:-1]} [1].", [SOURCES[passage]]) for passage, words in pairs]
    assert [one["statements"] for one in told] == [1] * len(pairs)
    supported: int = sum(one["supported"] for one in told)
    return supported / len(pairs)


async def test_what_a_source_carries_is_told_from_what_it_does_not(embedder: Embedder) -> None:
    """Of the pairs that the limits were measured on, 25 of 26 paraphrases are supported and 1 of 26 others is."""
    assert await share(CARRIED, embedder) >= 25 / 26
    assert await share(NOT_CARRIED, embedder) <= 1 / 26


async def test_where_all_texts_lie_near_each_other_nothing_is_carried_for_that() -> None:
    """By the scale of such an embedder, measured on the passages, the limits part the pairs as by the default one."""
    texts = [source.text for source in SOURCES.values()]
    async with aclosing(Crowded()) as embedder, aclosing(WordLlamaEmbedder()) as default:
        found, wanted = [
            means_over(await one.embed(list(SOURCES)), await one.embed(texts)) for one in (embedder, default)
        ]
        scale = alike(found, wanted)

        async def measured() -> CosineScale:
            return scale

        assert await share(CARRIED, embedder, measured) >= 25 / 26
        assert await share(NOT_CARRIED, embedder, measured) <= 1 / 26
        assert await share(NOT_CARRIED, embedder) > 1 / 4


async def test_the_unsupported_statements_have_their_place_in_the_text(embedder: Embedder) -> None:
    """A statement without a mark, one that its source does not tell and one with a wrong number are marked by offsets
    in code points; the one that is carried is not."""
    text = (
        "🙂 P-101 pumps glycol [1]. It was bought in Denmark [1].\n\n"
        "- CT-401 is a tower for 520 kW [2].\n- Ask again later."
    )
    told = await Grounding(embedder).of(text, [PUMP, TOWER])
    assert (told["share"], told["statements"], told["supported"]) == (0.25, 4, 1)
    assert [text[one["start"] : one["end"]] for one in told["unsupported"]] == [
        "It was bought in Denmark [1].",
        "CT-401 is a tower for 520 kW [2].",
        "Ask again later.",
    ]


async def test_what_states_nothing_is_not_counted(embedder: Embedder) -> None:
    """Headings, titles of sources, introductions and what the sources do not tell are no statements, in either
    language; an answer of those alone has no share."""
    text = (
        "# The pumps\n\n**P-101 (glycol pump, duty)**\n\nThese are the limits:\n\nThe sources do not answer this. "
        "Nothing was found about “x”.\n\nDe bronnen gaan hier maar gedeeltelijk over. Er is niets gevonden over “x”."
    )
    told = await Grounding(embedder).of(text, [PUMP])
    assert told == {"share": None, "statements": 0, "supported": 0, "by": "words", "unsupported": []}


async def test_marks_behind_the_line_stand_for_all_of_it() -> None:
    """The marks of a line stand behind each of its statements, also those before them; another line's do not."""
    found = statements("P-101 pumps. It has a twin [1][2]. The tower is open.\n\nThe fan turns.", [PUMP, TOWER])
    assert [one.sources for one in found] == [(1, 2), (1, 2), (1, 2), ()]


@pytest.mark.parametrize("embedder", [None, Away()], ids=["none", "away"], indirect=False)
async def test_without_vectors_the_words_decide(embedder: Embedder | None) -> None:
    """No embedder, or one that is away: what is carried word for word is supported, and it says that words decided."""
    told = await Grounding(embedder).of("P-101 pumps the glycol [1]. The bearing is monitored by VT-105 [1].", [PUMP])
    assert (told["supported"], told["by"]) == (1, "words")


async def test_a_long_text_is_bounded() -> None:
    """Of a text of many statements the first 200 are looked at, and one without any stop is one."""
    assert (await Grounding().of("The pump runs. " * 1000, [PUMP]))["statements"] == 200
    assert (await Grounding().of("word " * 20_000, [PUMP]))["statements"] == 1


async def test_an_endless_sentence_holds_nobody_up() -> None:
    """What is looked at is bounded, whatever a model or a source says: other threads wait for a regular expression."""
    began = time.process_time()
    assert len(statements("sources " * 1_000_000, ())) == 1
    assert time.process_time() - began < 5


REPEATED = ("*a ", "~~a ", "_a ", "[a ", "[1 ", "[", " ", ".", "?", "A. ", "a.a. ", "(a. B", "-", "[1]", "a")


@pytest.mark.parametrize("repeated", REPEATED)
async def test_a_hostile_text_takes_no_square_of_its_length(repeated: str) -> None:
    """What opens and never ends, over and over, is looked at in a second; by the square of its length most of these
    take half a minute, in which no other thread of the process runs and leases end."""
    text = (repeated * (100_000 // len(repeated)))[:-1] + "x"
    began = time.process_time()
    statements(text, ())
    assert time.process_time() - began < 5
