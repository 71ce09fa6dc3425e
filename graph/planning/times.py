"""Times that a question speaks of, as ranges of instants. Pure.

`last week` is the calendar week before the one of `now`, `the past week` the seven days up to now; weeks begin on
Monday. A date without a time is the whole day; all of it in UTC.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_MONTHS = (
    "january|januari", "february|februari", "march|maart", "april", "may|mei", "june|juni", "july|juli",
    "august|augustus", "september", "october|oktober", "november", "december",
)  # fmt: skip
_ANY_MONTH = "|".join(_MONTHS)
_HOURS = {"hour": 1, "hours": 1, "uur": 1, "uren": 1, "day": 24, "days": 24, "dag": 24, "dagen": 24}
_HOURS |= {"week": 168, "weeks": 168, "weken": 168}
_DATE = rf"(?:\d{{4}}-\d\d-\d\d|\d{{1,2}} (?:{_ANY_MONTH}) \d{{4}}|(?:{_ANY_MONTH}) \d{{1,2}},? \d{{4}})"
_SINCE = r"since|from|sinds|vanaf"
_AFTER = r"after|na"
_BEFORE = r"before|until|voor|tot"
_PAST = r"(?:the )?(?:past|last|previous|afgelopen|laatste|vorige|voorbije)"


@dataclass(frozen=True, slots=True)
class Range:
    """From `start` on, before `end`; None is open."""

    start: datetime | None
    end: datetime | None


def time_range(question: str, now: datetime) -> tuple[Range | None, str]:
    """The first range that the question speaks of, and the question without it. `now` is aware."""
    for pattern, read in _RULES:
        match = re.search(rf"(?<![\w-]){pattern}(?![\w-])", question, re.IGNORECASE)
        found = read(match, now.astimezone(UTC)) if match else None
        if match and found:
            return found, f"{question[: match.start()]} {question[match.end() :]}"
    return None, question


def _midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _days(count: int, back: int = 0) -> Callable[[re.Match[str], datetime], Range]:
    """That many whole days, beginning so many before today."""

    def read(_: re.Match[str], now: datetime) -> Range:
        start = _midnight(now) - timedelta(days=back)
        return Range(start, start + timedelta(days=count))

    return read


def _week(back: int) -> Callable[[re.Match[str], datetime], Range]:
    def read(_: re.Match[str], now: datetime) -> Range:
        start = _midnight(now) - timedelta(days=now.weekday() + 7 * back)
        return Range(start, start + timedelta(days=7))

    return read


def _month(back: int) -> Callable[[re.Match[str], datetime], Range]:
    def read(_: re.Match[str], now: datetime) -> Range:
        return _month_of(now.year * 12 + now.month - 1 - back)

    return read


def _month_of(number: int) -> Range:
    """Months since year 0."""
    start, end = (datetime(n // 12, n % 12 + 1, 1, tzinfo=UTC) for n in (number, number + 1))
    return Range(start, end)


def _rolling(match: re.Match[str], now: datetime) -> Range | None:
    unit, count = match["unit"].lower(), int(match["count"] or 1)
    return Range(now - timedelta(hours=_HOURS[unit] * count), now) if count <= 10_000 else None


def _named_month(match: re.Match[str], _: datetime) -> Range | None:
    year = int(match["year"])
    return _month_of(year * 12 + _month_number(match["month"]) - 1) if 1 <= year < 9999 else None


def _between(match: re.Match[str], _: datetime) -> Range | None:
    first, last = _date(match["first"]), _date(match["last"])
    return Range(first, last + timedelta(days=1)) if first and last else None


def _since(match: re.Match[str], _: datetime) -> Range | None:
    start = _date(match["date"])
    return Range(start, None) if start else None


def _after(match: re.Match[str], _: datetime) -> Range | None:
    start = _date(match["date"])
    return Range(start + timedelta(days=1), None) if start else None


def _before(match: re.Match[str], _: datetime) -> Range | None:
    end = _date(match["date"])
    return Range(None, end) if end else None


def _on(match: re.Match[str], _: datetime) -> Range | None:
    start = _date(match["date"])
    return Range(start, start + timedelta(days=1)) if start else None


def _date(text: str) -> datetime | None:
    """None for one that is none: 2026-02-30."""
    if text[:4].isdecimal() and "-" in text:
        year, month, day = map(int, text.split("-"))
    else:
        words = text.replace(",", "").split()
        day, name = (int(words[0]), words[1]) if words[0].isdecimal() else (int(words[1]), words[0])
        year, month = int(words[2]), _month_number(name)
    try:
        return datetime(year, month, day, tzinfo=UTC) if year < 9999 else None
    except ValueError:
        return None


def _month_number(name: str) -> int:
    return next(n for n, names in enumerate(_MONTHS, 1) if name.lower() in names.split("|"))


_RULES: tuple[tuple[str, Callable[[re.Match[str], datetime], Range | None]], ...] = (
    (
        rf"(?:between|from|tussen|van) (?P<first>{_DATE}) (?:and|to|until|en|tot(?: en met)?) (?P<last>{_DATE})",
        _between,
    ),
    (rf"(?:{_SINCE}) (?P<date>{_DATE})", _since),
    (rf"(?:{_AFTER}) (?P<date>{_DATE})", _after),
    (rf"(?:{_BEFORE}) (?P<date>{_DATE})", _before),
    (rf"(?:on |op )?(?P<date>{_DATE})", _on),
    (rf"(?:in )?(?P<month>{_ANY_MONTH}) (?P<year>\d{{4}})", _named_month),
    (r"today|vandaag", _days(1)),
    (r"yesterday|gisteren", _days(1, 1)),
    (r"(?:last|previous|vorige) week", _week(1)),
    (r"this week|deze week", _week(0)),
    (r"(?:last|previous|vorige|afgelopen) (?:month|maand)", _month(1)),
    (r"this month|deze maand", _month(0)),
    (rf"(?:in )?{_PAST} (?:(?P<count>\d{{1,5}}) )?(?P<unit>{'|'.join(_HOURS)})", _rolling),
)
