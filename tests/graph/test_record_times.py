"""Times that questions speak of."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph.planning.times import time_range

NOW = datetime(2026, 3, 14, 12, 30, tzinfo=UTC)  # a Saturday


@pytest.mark.parametrize(
    ("question", "start", "end"),
    [
        ("events of today", "2026-03-14", "2026-03-15"),
        ("wat gebeurde er gisteren?", "2026-03-13", "2026-03-14"),
        ("events last week", "2026-03-02", "2026-03-09"),
        ("hoeveel waren er vorige week?", "2026-03-02", "2026-03-09"),
        ("this week", "2026-03-09", "2026-03-16"),
        ("in the past week", "2026-03-07T12:30", "2026-03-14T12:30"),
        ("de laatste 24 uur", "2026-03-13T12:30", "2026-03-14T12:30"),
        ("in the last 3 days", "2026-03-11T12:30", "2026-03-14T12:30"),
        ("vorige maand", "2026-02-01", "2026-03-01"),
        ("this month", "2026-03-01", "2026-04-01"),
        ("in December 2025", "2025-12-01", "2026-01-01"),
        ("in maart 2026", "2026-03-01", "2026-04-01"),
        ("on 11 March 2026", "2026-03-11", "2026-03-12"),
        ("March 11, 2026", "2026-03-11", "2026-03-12"),
        ("op 11 maart 2026", "2026-03-11", "2026-03-12"),
        ("between 2026-03-10 and 2026-03-11", "2026-03-10", "2026-03-12"),
        ("van 10 maart 2026 tot en met 11 maart 2026", "2026-03-10", "2026-03-12"),
        ("since 2026-03-12", "2026-03-12", None),
        ("na 2026-03-12", "2026-03-13", None),
        ("before 2026-03-12", None, "2026-03-12"),
    ],
)
def test_a_range(question: str, start: str | None, end: str | None) -> None:
    """Whole days, weeks from Monday and months in UTC, or so long up to now; an end that is not named is open."""
    found, _ = time_range(question, NOW)
    assert found is not None
    instants = [None if text is None else datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (start, end)]
    assert [found.start, found.end] == instants


@pytest.mark.parametrize("question", ["the last 3 events", "on 2026-02-30", "A-41", "the newest", "TE-2026-03", ""])
def test_what_is_no_time(question: str) -> None:
    """Neither a count of records nor a date that does not exist; the question stays as it is."""
    assert time_range(question, NOW) == (None, question)


def test_the_rest_of_the_question() -> None:
    """The words of the range are gone: its `last` is no wish for the newest record."""
    assert time_range("events of last week, please", NOW)[1] == "events of  , please"


@given(
    st.text(st.sampled_from("0123456789- ,weklastpyrdvmonhugifbtMach")), st.datetimes(min_value=datetime(1000, 1, 1))
)
def test_any_text_is_read(text: str, now: datetime) -> None:
    """Whatever it says and whenever: a range that does not end before it begins, or none."""
    now = min(now, datetime(9000, 1, 1)).replace(tzinfo=UTC)
    found, _ = time_range(text, now)
    if found and found.start and found.end:
        assert timedelta() <= found.end - found.start or "-" in text
