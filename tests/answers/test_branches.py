"""A chat as a tree of questions."""

from hypothesis import given
from hypothesis import strategies as st

from chatserver.answers.branches import before, parents
from chatserver.answers.meta import AFTER, AnswerMeta, NewAnswer
from chatserver.answers.states import AnswerState


def meta(answer: str, after: object = None) -> AnswerMeta:
    options = {} if after is None else {AFTER: after}
    asked = NewAnswer(answer, "e", "ada", "c", f"ask-{answer}", "q", 0.0, options=options)
    return AnswerMeta(asked, AnswerState.COMPLETED, 1, None, 0, -1, False, 0.0)


def names(chat: list[AnswerMeta], answer: str) -> list[str]:
    return [one.answer for one in before(chat, answer)]


def test_without_a_word_a_question_follows_the_newest() -> None:
    """A chat in which nobody edits is a line."""
    chat = [meta("a"), meta("b"), meta("c")]
    assert parents(chat) == {"a": "", "b": "a", "c": "b"}
    assert names(chat, "c") == ["a", "b"]


def test_an_edited_question_has_the_turns_before_it_and_what_follows_is_on_its_branch() -> None:
    """`b` is asked again as `x`; `y` follows `x`, and `z`, which says so, the old branch."""
    chat = [meta("a"), meta("b"), meta("c"), meta("x", "a"), meta("y"), meta("z", "c")]
    assert names(chat, "x") == ["a"]
    assert names(chat, "y") == ["a", "x"]
    assert names(chat, "z") == ["a", "b", "c"]


def test_the_first_question_can_be_edited_too() -> None:
    """An empty `after` begins the chat anew."""
    chat = [meta("a"), meta("b"), meta("x", ""), meta("y")]
    assert (names(chat, "x"), names(chat, "y"), names(chat, "b")) == ([], ["x"], ["a"])


def test_what_is_gone_ends_the_way_back() -> None:
    """A log that forgets old answers, an answer of nowhere, and one that is no text cost nothing else."""
    assert names([meta("b", "a"), meta("c")], "c") == ["b"]
    assert names([meta("a"), meta("b", 7)], "b") == ["a"]
    assert names([meta("a")], "unknown") == []


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.none() | st.sampled_from(["", *"abcdef", "?"])), max_size=8))
def test_every_way_back_ends(asked: list[tuple[str, str | None]]) -> None:
    """Whatever is told, in circles too: no answer is twice on a way, and none is on its own."""
    chat = [meta(answer, after) for answer, after in dict(asked).items()]
    for one in chat:
        way = names(chat, one.answer)
        assert len({one.answer, *way}) == len(way) + 1
