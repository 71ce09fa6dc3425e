from hypothesis import given
from hypothesis import strategies as st

from chatserver.client.events import Cursor, Told
from chatserver.client.feed import Feed, Step

LENGTH = 6


def told(epoch: str, seq: int) -> Told:
    last = seq == LENGTH - 1
    return Told("a", epoch, seq, {"type": "finish" if last else "text-delta"}, replay=False)


arrivals = st.lists(st.tuples(st.sampled_from(["e1", "e2"]), st.integers(0, LENGTH - 1)), max_size=60)


@given(arrivals)
def test_whatever_arrives_is_let_through_in_order(arrived: list[tuple[str, int]]) -> None:
    """Any mix of entries, repeated, reordered or of a foreign epoch, comes out as 0, 1, 2, … of one epoch."""
    feed = Feed()
    feed.begin("e1")
    passed = [(epoch, seq) for epoch, seq in arrived if feed.take(told(epoch, seq)) is Step.NEXT]
    assert passed == [("e1", seq) for seq in range(len(passed))]
    assert feed.cursor("a") == Cursor("a", "e1", len(passed) - 1)
    assert feed.sealed == (len(passed) == LENGTH)


@given(arrivals, st.integers(0, LENGTH - 1))
def test_a_new_epoch_is_marked_once(arrived: list[tuple[str, int]], shown: int) -> None:
    """After a snapshot of another epoch the first entry let through is its seq 0, marked when something was shown."""
    feed = Feed()
    feed.begin("e1")
    for seq in range(shown):
        assert feed.take(told("e1", seq)) is Step.NEXT
    feed.snapshot("e2", LENGTH)
    steps = [(epoch, seq, feed.take(told(epoch, seq))) for epoch, seq in arrived]
    passed = [(epoch, seq, step) for epoch, seq, step in steps if step in (Step.NEXT, Step.RESTART)]
    assert [(epoch, seq) for epoch, seq, _ in passed] == [("e2", seq) for seq in range(len(passed))]
    assert [step is Step.RESTART for _, _, step in passed] == [n == 0 and shown > 0 for n in range(len(passed))]


def test_a_snapshot_of_the_log_that_we_follow_is_no_restart() -> None:
    """Being told our own log from its start brings duplicates only."""
    feed = Feed()
    feed.begin("e1")
    assert [feed.take(told("e1", seq)) for seq in (0, 1)] == [Step.NEXT, Step.NEXT]
    feed.snapshot("e1", head=4)
    steps = [feed.take(told("e1", seq)) for seq in (0, 1, 2)]
    assert steps == [Step.DUPLICATE, Step.DUPLICATE, Step.NEXT]


def test_a_snapshot_that_lacks_our_place_is_a_restart() -> None:
    """A log that is shorter than what was shown is another one, whatever it is called."""
    feed = Feed()
    feed.begin("e1")
    for seq in range(3):
        feed.take(told("e1", seq))
    feed.snapshot("e1", head=1)
    assert feed.take(told("e1", 0)) is Step.RESTART


def test_nothing_follows_the_seal() -> None:
    """A sealed feed takes nothing more, not even from a new epoch."""
    feed = Feed(Cursor("a", "e1", LENGTH - 2))
    assert feed.take(told("e1", LENGTH - 1)) is Step.NEXT
    feed.snapshot("e2", LENGTH)
    assert feed.take(told("e2", 0)) is Step.DUPLICATE
