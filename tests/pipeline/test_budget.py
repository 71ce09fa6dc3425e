from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as st

from chatserver.models.port import Context, Turn
from chatserver.pipeline.budget import Budget, fitting
from chatserver.pipeline.decide import decide
from chatserver.pipeline.port import Question
from chatserver.pipeline.prompting import model_request
from graph.types import Record
from prompts import Prompts
from retrieval.embedders.tokens import TokenCounter
from retrieval.types import Passage, RankedPassage

PROMPTS = Prompts()
COUNT = TokenCounter()


def words(text: str) -> int:
    return len(text.split())


def passage(n: int) -> RankedPassage:
    return RankedPassage(Passage(f"p{n}", f"d{n}", f"Title {n}", f"passage{n} " * 20), 1 / n, ())


def context(passages: int, records: int = 0) -> Context:
    rows = tuple(Record("Pump", f"r{n}", {"state": "running"}) for n in range(records))
    return Context(tuple(passage(n) for n in range(1, passages + 1)), (), rows)


def prompt(budget: Budget, context: Context, history: tuple[Turn, ...] = ()) -> tuple[str, int]:
    asked = Question("a", "c", "u", "What runs?", datetime(2026, 3, 9, tzinfo=UTC), history=history)
    request = model_request(PROMPTS, asked, decide(asked.text), context, budget)
    return "\n".join(message.content for message in request.messages), request.left_out


@example(["0", "0"], 2)
@given(st.lists(st.text()), st.integers(0, 200))
def test_as_many_texts_as_fit(texts: list[str], limit: int) -> None:
    """The texts kept have at most the limit's tokens; with one more they would have more."""
    kept = fitting(texts, limit, COUNT)
    assert sum(map(COUNT, texts[:kept])) <= limit
    assert kept == len(texts) or sum(map(COUNT, texts[: kept + 1])) > limit


def test_the_passages_found_last_are_left_out_first() -> None:
    """What a budget has no room for goes from the end of the ranking; it is told how much went."""
    text, left_out = prompt(Budget(70, 0, words), context(5))
    assert left_out == 2
    assert [n for n in range(1, 6) if f"passage{n} " in text] == [1, 2, 3]


def test_records_outlast_passages_and_keep_their_numbers() -> None:
    """A record is an exact result: it stays, and its mark means what it means in the whole context."""
    text, left_out = prompt(Budget(30, 0, words), context(3, records=1))
    assert "[4] Pump r0" in text
    assert "passage1 " in text
    assert (left_out, "passage2 " in text) == (2, False)


def test_the_oldest_turns_are_left_out_first() -> None:
    """Of the chat's earlier turns the newest are sent."""
    history = tuple(Turn(f"question{n}", "answer " * 9) for n in range(4))
    text, _ = prompt(Budget(0, 25, words), Context(), history)
    assert [n for n in range(4) if f"question{n}" in text] == [2, 3]


def test_tokens_are_counted_as_the_tokenizer_cuts_them() -> None:
    """A count is of tokens: fewer than characters, more than words, none for nothing; any text can be counted."""
    text = "The glycol circulation pump vibrates unexpectedly."
    assert len(text.split()) < COUNT(text) < len(text)
    assert COUNT("") == 0
    assert COUNT("🚀 пример 例") > 3
