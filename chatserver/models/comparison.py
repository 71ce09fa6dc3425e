"""Which of two was born or died first: the one sort of question that is answered in a line before the quotes. Pure.

It is safe where nothing is guessed: the question names two options, each is the title of exactly one passage, or of a
work whose passage names its director; that person's passage opens with the dates of a life; the two dates are apart.
Otherwise there is no short answer. `docs/answers.md` has how often it speaks and how often it is right.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias

from chatserver.models.chains import padded, short_title
from retrieval.types import Passage

Event: TypeAlias = Literal["born", "died"]

_MONTHS = (
    ("january", "januari"),
    ("february", "februari"),
    ("march", "maart"),
    ("april",),
    ("may", "mei"),
    ("june", "juni"),
    ("july", "juli"),
    ("august", "augustus"),
    ("september",),
    ("october", "oktober"),
    ("november",),
    ("december",),
)
_MONTH = {name: number for number, names in enumerate(_MONTHS, 1) for name in names}
_NAME = "|".join(_MONTH)
_DATE = re.compile(
    rf"(?:(?P<day>\d{{1,2}})(?:st|nd|rd|th)? (?P<month>{_NAME})|(?P<month2>{_NAME}) (?P<day2>\d{{1,2}}),?) "
    rf"(?P<year>[12]\d{{3}})|\b(?P<only>[12]\d{{3}})\b",
    re.IGNORECASE,
)
_ASKED: Mapping[tuple[Event, bool], re.Pattern[str]] = {
    ("died", True): re.compile(
        r"\b(?:died|die) (?:first|earlier)\b|\b(?:eerst|eerder) (?:gestorven|overleden)\b|"
        r"\b(?:stierf|overleed) (?:het )?(?:eerst|eerder)\b",
        re.IGNORECASE,
    ),
    ("died", False): re.compile(
        r"\b(?:died|die) (?:last|later)\b|\blater (?:gestorven|overleden)\b|\b(?:stierf|overleed) later\b",
        re.IGNORECASE,
    ),
    ("born", True): re.compile(
        r"\bborn (?:first|earlier)\b|\b(?:is|was) (?:the )?old(?:er|est)\b|\b(?:eerst|eerder) geboren\b|"
        r"\b(?:is|was) (?:de )?oud(?:er|ste)\b|\bdie oud(?:er|ste) is\b",
        re.IGNORECASE,
    ),
    ("born", False): re.compile(
        r"\bborn (?:last|later)\b|\b(?:is|was) (?:the )?young(?:er|est)\b|\blater geboren\b|"
        r"\b(?:is|was) (?:de )?jong(?:er|ste)\b|\bdie jong(?:er|ste) is\b",
        re.IGNORECASE,
    ),
}
"""What is compared, and whether the earlier one is asked for."""
_OPTIONS = (
    re.compile(r", (?P<one>[^,]+(?:, [^,]+)*?),? (?:or|of) (?P<other>.+?) ?\?? *$"),
    re.compile(r"^(?:Was|Is|Did) (?P<one>.+?) (?:or|of) (?P<other>.+?) (?:born|die|died|older|younger|geboren)\b"),
)
_THROUGH = re.compile(r"\b(?:director|regisseur)\b", re.IGNORECASE)
_DIRECTED = re.compile(r"\b(?:directed|geregisseerd)(?: and [\w-]+)? (?:by|door) ", re.IGNORECASE)
_LIFE = re.compile(r"\((?P<life>[^()]*(?:\([^()]*\)[^()]*)*)\)")
_OPENING = 300
"""Characters of a passage in which the brackets with a life's dates open."""


class Date(NamedTuple):
    """Month and day are 0 where only the year is known."""

    year: int
    month: int
    day: int


@dataclass(frozen=True, slots=True)
class Lived:
    """An option: its title, the passages that tell its date (places in the context, from 0), the date and its words."""

    title: str
    sources: tuple[int, ...]
    date: Date
    written: str


@dataclass(frozen=True, slots=True)
class Compared:
    """`one` is the answer."""

    event: Event
    one: Lived
    other: Lived

    @property
    def sources(self) -> tuple[int, ...]:
        return self.one.sources + self.other.sources


def compared(question: str, passages: Sequence[Passage]) -> Compared | None:
    asked = next((wanted for wanted, pattern in _ASKED.items() if pattern.search(question)), None)
    options = next((match for pattern in _OPTIONS if (match := pattern.search(question))), None)
    if asked is None or options is None:
        return None
    event, first = asked
    through = _THROUGH.search(question) is not None
    found = [_lived(option, passages, event, through) for option in options.groups()]
    one, other = found
    if one is None or other is None or not _apart(one.date, other.date):
        return None
    if (one.date < other.date) != first:
        one, other = other, one
    return Compared(event, one, other)


def _lived(option: str, passages: Sequence[Passage], event: Event, through: bool) -> Lived | None:
    place = _titled(option, passages)
    if place is None:
        return None
    sources: tuple[int, ...] = (place,)
    if through:
        person = _director(passages[place], passages)
        if person is None:
            return None
        sources = (place, person)
    dated = _date_of(passages[sources[-1]].text, event)
    return Lived(short_title(passages[place].title), sources, *dated) if dated else None


def _titled(option: str, passages: Sequence[Passage]) -> int | None:
    """The one passage with this title."""
    wanted = {padded(option), padded(short_title(option))}
    exact = [n for n, passage in enumerate(passages) if padded(passage.title) == padded(option)]
    alike = exact or [n for n, passage in enumerate(passages) if padded(short_title(passage.title)) in wanted]
    return alike[0] if len(alike) == 1 else None


def _director(work: Passage, passages: Sequence[Passage]) -> int | None:
    """The one passage whose title stands behind `directed by`."""
    said = _DIRECTED.search(work.text)
    if said is None:
        return None
    behind = padded(work.text[said.end() :])
    named = [n for n, one in enumerate(passages) if behind.startswith(padded(short_title(one.title)))]
    return named[0] if len(named) == 1 else None


def _date_of(text: str, event: Event) -> tuple[Date, str] | None:
    """From the first brackets that hold a date: `(12 May 1901 – 3 June 1970)`, `(born 6 October 1988)`."""
    for brackets in _LIFE.finditer(text[:_OPENING]):
        dates = list(_DATE.finditer(brackets["life"]))
        if not dates:
            continue
        if event == "born" and len(dates) <= 2:
            return _read(dates[0])
        return _read(dates[1]) if event == "died" and len(dates) == 2 else None
    return None


def _read(match: re.Match[str]) -> tuple[Date, str]:
    if match["only"]:
        return Date(int(match["only"]), 0, 0), match[0]
    month, day = match["month"] or match["month2"], match["day"] or match["day2"]
    return Date(int(match["year"]), _MONTH[month.lower()], int(day)), " ".join(match[0].split())


def _apart(one: Date, other: Date) -> bool:
    """A year alone is before no day of it."""
    return one.year != other.year or (one != other and one.month > 0 and other.month > 0)
