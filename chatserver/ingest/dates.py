"""The dates that a text names, English and Dutch, as far as they are written out. Pure."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Final

_MONTHS: Final = {
    name[:3]: number
    for number, names in enumerate(
        (
            "january januari",
            "february februari",
            "march maart mrt",
            "april",
            "may mei",
            "june juni",
            "july juli",
            "august augustus",
            "september",
            "october oktober",
            "november",
            "december",
        ),
        1,
    )
    for name in names.split()
}
_MONTH: Final = (
    r"(jan(?:uar[yi])?|feb(?:ruar[yi])?|mar(?:ch)?|maart|mrt|apr(?:il)?|ma[yi]|mei|june?|juni|july?|juli|aug(?:ust(?:us)?)?"
    r"|sept?(?:ember)?|o[ck]t(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_YEAR: Final = re.compile(
    r"[12](?<!\d[12])\d{3}(?!\d)"
)  # the first digit first: what may stand before it is looked at rarely
_AFTER: Final = re.compile(r"-(\d\d)-(\d\d)(?!\d)")
_BEFORE: Final = re.compile(
    rf"(?:(?<!\d)(\d{{1,2}})(?:st|nd|rd|th|e)? (?:of )?)?\b{_MONTH}(?: (\d{{1,2}})(?:st|nd|rd|th)?)?,? $", re.IGNORECASE
)
_MONTHS_NAME: Final = re.compile("|".join(_MONTHS), re.IGNORECASE)
_LONGEST: Final = 32
"""Characters of a day and month before their year."""


def dates_in(text: str) -> list[str]:
    """`2025-03-04`, or `2025-03` where no day is named; each once, in the order of the text. A bare year is none: it
    may be any number. What is no day of the calendar is left out."""
    return list(dict.fromkeys(_dates(text)))


def _dates(text: str) -> Iterator[str]:
    """Around each year, and before it only where a month is near: a pattern that may begin anywhere takes longer than
    all the rest."""
    for year in _YEAR.finditer(text):
        start, end = year.span()
        if written := _AFTER.match(text, end):
            yield from _day(year[0], int(written[1]), written[2])
        elif named := _named(text[max(0, start - _LONGEST) : start]):
            month = _MONTHS[named[2].casefold()[:3]]
            if day := named[1] or named[3]:
                yield from _day(year[0], month, day)
            else:
                yield f"{year[0]}-{month:02}"


def _named(before: str) -> re.Match[str] | None:
    """A month's word is one of the last two before the space."""
    near = " ".join(before.split(" ")[-3:-1])
    return _BEFORE.search(before) if _MONTHS_NAME.search(near) else None


def _day(year: str, month: int, day: str) -> Iterator[str]:
    try:
        yield date(int(year), month, int(day)).isoformat()
    except ValueError:
        return
