"""What an owner remembers of an answer, against every log that it may find."""

from hypothesis import given
from hypothesis import strategies as st

from chatserver.answers.log import Batch, Claim
from chatserver.answers.meta import AnswerMeta
from chatserver.answers.redis_held import KEEP_BYTES, START, Held, chain_after
from chatserver.answers.states import AnswerState
from tests.contracts.answer_logs import question

SIZES = st.lists(st.integers(1, 5), min_size=1, max_size=12)


def held_after(sizes: list[int], *, width: int = 1) -> tuple[Held, list[tuple[int, str]]]:
    """After so many batches, with the head and chain before each and at the end."""
    meta = AnswerMeta(question(), AnswerState.RUNNING, 1, "one", 0, -1, False, 0.0)
    held = Held(Claim("a1", 1, "one"), meta, 10.0, 0, START)
    ends = [(0, START)]
    for n, size in enumerate(sizes):
        batch = Batch(f"b{n}", held.head, [b"%d" % n * width] * size)
        held.note(held.extended(batch, b"\n".join(batch.entries)))
        ends.append((held.head, held.chain))
    return held, ends


@given(SIZES, st.data())
def test_a_log_that_went_back_lacks_the_rest(sizes: list[int], data: st.DataObject) -> None:
    """Whatever beginning the log is, exactly the batches after it are to be appended again, in order."""
    held, ends = held_after(sizes)
    at = data.draw(st.integers(0, len(sizes)))
    missing = held.after(*ends[at])
    assert missing is not None
    assert [kept.id for kept in missing] == [f"b{n}" for n in range(at, len(sizes))]


@given(SIZES, st.data())
def test_another_log_is_no_beginning(sizes: list[int], data: st.DataObject) -> None:
    """One of the right length with other entries, or with an end inside a batch, can't be made whole."""
    held, ends = held_after(sizes)
    head, chain = data.draw(st.sampled_from(ends))
    assert held.after(head, chain_after(chain, b"other")) is None
    assert held.after(head + 1, chain) is None


def test_what_is_kept_is_bounded() -> None:
    """Of a long answer the newest part is kept, and an older place can't be gone back to any more."""
    held, ends = held_after([1] * 40, width=KEEP_BYTES // 20)
    assert sum(len(kept.blob) for kept in held.batches) == held.size <= KEEP_BYTES
    assert held.after(*ends[0]) is None
    assert held.after(*ends[-2]) is not None


def test_a_repeated_batch_is_noted_once() -> None:
    """Its chain is not known any more, and it changes nothing."""
    held, ends = held_after([2, 3])
    again = held.extended(Batch("b0", 0, [b"0", b"0"]), b"0\n0")
    assert (again.before, again.after) == ("", "")
    held.note(again)
    assert (held.head, held.chain) == ends[-1]
