"""Groups and totals that a question asks for: `how many`, `average`, `per component`, `per day`. Pure."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from graph.types import Aggregate, Collection, Function, Group, Period

FieldOf = Callable[[str], str | None]
"""A field that words speak of."""

_COUNT = r"how many|how much|number of|count(?: the| of)?|hoeveel|aantal|tel(?: de| het aantal)?"
_FUNCTIONS: tuple[tuple[Function, str], ...] = (
    ("avg", r"average|mean|gemiddelde?"),
    ("sum", r"total|sum(?: of)?|totale|totaal|som(?: van)?"),
    ("max", r"highest|maximum|max|largest|biggest|hoogste|maximale|grootste"),
    ("min", r"lowest|minimum|min|smallest|laagste|minimale|kleinste"),
)
_PER = r"per|by|for each|for every|voor elke?|voor iedere?|grouped by|gegroepeerd op"
_PERIODS: dict[str, Period] = {"day": "day", "dag": "day", "month": "month", "maand": "month"}


@dataclass(frozen=True, slots=True)
class Totals:
    groups: tuple[Group, ...]
    aggregates: tuple[Aggregate, ...]
    unknown: str = ""
    """What stands behind `per` and is no field."""


def totals(before: str, rest: str, collection: Collection, number: FieldOf, time: FieldOf) -> Totals | None:
    """What is to be totalled, None when it is the records themselves. `before` is the folded question up to the
    collection's name, `rest` the question without that name.

    `how many` counts only when the collection's name follows it: `how many minutes does a task take` counts none."""
    groups, unknown = _groups(rest, collection, time)
    counted = re.search(rf" (?:{_COUNT})(?: \w+){{0,2}} *$", before) is not None
    function = next((function for function, cues in _FUNCTIONS if re.search(rf" (?:{cues})(?= )", rest)), None)
    if function in ("max", "min") and not groups:
        function = None  # the record that has it tells more
    field = number(rest) if function and not counted else None
    if function and field:
        return Totals(groups, (Aggregate(function, field),), unknown)
    return Totals(groups, (Aggregate("count"),), unknown) if counted or groups or unknown else None


def _groups(rest: str, collection: Collection, time: FieldOf) -> tuple[tuple[Group, ...], str]:
    match = re.search(rf" (?:{_PER}) (?P<one>\w+)(?: (?P<two>\w+))?(?= )", rest)
    if match is None:
        return (), ""
    period, dated = _PERIODS.get(match["one"]), time(rest)
    if period and dated:
        return (Group(dated, period),), ""
    names = [f"{match['one']} {match['two']}".replace(" ", "_"), match["one"]]
    field = next((field for name in names for field in collection.fields if field.lower() == name), None)
    if field:
        return (Group(field),), ""
    return (), match["one"] if match[0].split()[0] == "per" else ""
