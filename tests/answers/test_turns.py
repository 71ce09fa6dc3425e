"""Whose turn it is."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from chatserver.answers.turns import in_turn, startable

Waiting = st.lists(st.sampled_from("abc")).map(lambda users: [(f"{n}", user) for n, user in enumerate(users)])
Running = st.dictionaries(st.sampled_from("abc"), st.integers(0, 5))


@given(waiting=Waiting, running=Running)
def test_nobody_has_a_turn_more_than_somebody_who_waits(
    waiting: list[tuple[str, str]], running: dict[str, int]
) -> None:
    """At each place of the order, who is served had no more turns by then than each of those who come later; within a
    user's own the oldest comes first, and all come once."""
    order = in_turn(waiting, running)
    assert sorted(order) == sorted(waiting)
    had = Counter(running)
    for place, (_, user) in enumerate(order):
        assert all(had[user] <= had[later] for _, later in order[place:])
        had[user] += 1
    for user in "abc":
        assert [int(answer) for answer, whose in order if whose == user] == sorted(
            int(answer) for answer, whose in waiting if whose == user
        )


@given(waiting=Waiting, running=Running, each=st.integers(1, 4))
def test_nobody_runs_more_than_their_own(waiting: list[tuple[str, str]], running: dict[str, int], each: int) -> None:
    """As many start as may, and no user has more than `each` then, unless they had before."""
    started = startable(waiting, running, each=each)
    now = Counter(running) + Counter(user for _, user in started)
    wanted = Counter(user for _, user in waiting)
    for user in "abc":
        free = max(0, each - running.get(user, 0))
        assert now[user] - running.get(user, 0) == min(free, wanted[user])
    assert startable(waiting, running, each=None) == in_turn(waiting, running)
