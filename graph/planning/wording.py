"""A query in words that a person reads. Pure."""

from graph.totals import condition_text
from graph.types import RecordQuery


def query_text(query: RecordQuery) -> str:
    """`TelemetryEvent where severity = critical, by t_start, highest first, at most 1`; `count of TelemetryEvent per
    component`."""
    conditions = " and ".join(map(condition_text, query.conditions))
    where = f" where {conditions}" if conditions else ""
    if query.aggregates:
        totals = ", ".join(aggregate.name for aggregate in query.aggregates)
        per = ", ".join(group.period or group.field for group in query.groups)
        return f"{totals} of {query.collection}{where}" + (f" per {per}" if per else "")
    order = f", by {query.sort}, {'highest' if query.descending else 'lowest'} first" if query.sort else ""
    return f"{query.collection}{where}{order}, at most {query.limit}"
