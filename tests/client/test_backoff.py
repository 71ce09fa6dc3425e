from hypothesis import given
from hypothesis import strategies as st

from chatserver.client import Backoff
from chatserver.client.backoff import Reaction, reaction


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_full_jitter(attempt: int, random: float) -> None:
    """The wait is anywhere between nothing and the doubled base, never above the cap."""
    backoff = Backoff(base_s=0.25, cap_s=15.0)
    bound = min(15.0, 0.25 * 2.0 ** min(attempt, 100))
    assert backoff.delay(attempt, lambda: random) == random * bound


def test_reactions() -> None:
    """Every close code has one meaning, and an unknown one means coming back."""
    assert reaction(1000) is reaction(1001) is Reaction.END
    assert reaction(1008) is reaction(4403) is Reaction.GIVE_UP
    assert reaction(4401) is Reaction.AUTHENTICATE
    assert reaction(1013) is reaction(4429) is Reaction.RECONNECT_LATER
    assert {reaction(code) for code in (1006, 1011, 1012, 4408, 4999)} == {Reaction.RECONNECT}
