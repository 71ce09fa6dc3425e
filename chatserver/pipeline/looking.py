"""Query, look, query: what is asked next for what was found. Pure.

Two things are followed up. A query over a range of time that found nothing is asked again without the range: the
newest record tells how far the records reach. A record that tells of a failure (a field called so, which is not
`none`) names what failed: the passages about that are searched for; when the question is for the current state, the
newest record of the other collections likewise.

Looking ends when nothing is left to follow (`nothing_to_follow`), a step found nothing new (`nothing_new`) or failed
(`failed`), or after `MOST_LOOKS` (`most_steps`). What is left open then is a note of the last step, for the answer to
tell.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chatserver.models.port import Context
from graph.names import fold_name, record_names
from graph.planning.plan import Plan, Unknown
from graph.planning.wording import query_text
from graph.records import is_failure_field
from graph.totals import condition_text
from graph.types import Condition, Note, Record, RecordQuery
from retrieval.types import RankedPassage

MOST_LOOKS = 2
"""Steps after the first."""
MOST_PASSAGES = 3
"""New ones that a step adds."""
_NONE = ("none", "geen", "ok")


@dataclass(frozen=True, slots=True)
class Look:
    """One further step: a search of the passages, or a query of the records; `reason` in words that a person reads."""

    reason: str
    search: str = ""
    query: RecordQuery | None = None


def looks(plan: Plan, found: Sequence[Sequence[Record]]) -> tuple[Look, ...]:
    """What to ask after the first step; `found` are the records of each query."""
    pairs = list(zip(plan.queries, found, strict=True))
    return (*_without_range(pairs), *_about(pairs))


def onward(waiting: Sequence[Look], done: int, added: Context | None, failed: bool) -> tuple[tuple[Look, ...], str]:
    """What is to be asked after a step, and why nothing is (empty when something is). `done` counts the steps after
    the first, `added` is what the last of them added, None before any."""
    if failed:
        return (), "failed"
    if not waiting:
        nothing = added is not None and not (added.passages or added.records)
        return (), "nothing_new" if nothing else "nothing_to_follow"
    return ((), "most_steps") if done >= MOST_LOOKS else (tuple(waiting), "")


def notes(plan: Plan, found: Sequence[Sequence[Record]]) -> tuple[Note, ...]:
    """What the first step did not find."""
    empty = [query for query, records in zip(plan.queries, found, strict=True) if _nothing(query, records)]
    return tuple(
        [_unknown(unknown) for unknown in plan.unknown]
        + [
            Note("empty_range", " and ".join(map(condition_text, query.conditions)), query.collection)
            for query in empty
            if query.conditions
        ]
    )


def left_open(look: Look, added: Context, waiting: Sequence[Look], stopped: str) -> tuple[Note, ...]:
    """What a step leaves unsaid: the answer says so, rather than end as if that were all. `waiting` are the looks after
    it, `stopped` why none of them is done."""
    if stopped == "failed":
        return (Note("not_searched", _what(look), ""),)
    found = added.passages or added.records
    dead_end = () if found else (Note("nothing_more", _what(look), ""),)
    not_done = [Note("not_followed", _what(other), "") for other in waiting] if stopped == "most_steps" else []
    return (*dead_end, *not_done)


def _what(look: Look) -> str:
    return look.search if look.query is None else query_text(look.query)


def new(known: Context, found: Context) -> Context:
    """What a further step adds: the best passages and the records that are not known yet."""
    ids = {ranked.passage.id for ranked in known.passages}
    fresh: list[RankedPassage] = [ranked for ranked in found.passages if ranked.passage.id not in ids]
    keys = {(record.collection, record.id) for record in known.records}
    return replace(
        found,
        passages=tuple(fresh[:MOST_PASSAGES]),
        facts=tuple(fact for fact in found.facts if fact not in known.facts),
        records=tuple(record for record in found.records if (record.collection, record.id) not in keys),
    )


def _unknown(unknown: Unknown) -> Note:
    if unknown.field:
        return Note("unknown_value", unknown.name, f"{unknown.collection} {unknown.field}", unknown.nearest)
    code = "unknown_field" if unknown.collection else "unknown_collection"
    return Note(code, unknown.name, unknown.collection, unknown.nearest)


def _nothing(query: RecordQuery, records: Sequence[Record]) -> bool:
    """No record, or totals of none."""
    return not records or (bool(query.aggregates) and not any(records[0].fields.values()))


def _without_range(pairs: Sequence[tuple[RecordQuery, Sequence[Record]]]) -> Iterator[Look]:
    for query, records in pairs:
        rest = tuple(condition for condition in query.conditions if not _in_time(condition))
        if _nothing(query, records) and rest != query.conditions:
            time = next(condition.field for condition in query.conditions if _in_time(condition))
            wider = RecordQuery(query.collection, rest, time, limit=1)
            yield Look(f"no {query.collection} in that time: the newest of any time", query=wider)


def _in_time(condition: Condition) -> bool:
    return condition.operator in ("<", ">=") and re.match(r"\d{4}-\d\d-\d\dT", str(condition.value)) is not None


def _about(pairs: Sequence[tuple[RecordQuery, Sequence[Record]]]) -> Iterator[Look]:
    single = [(query, records[0]) for query, records in pairs if records and not query.aggregates]
    failing = [record for _, record in single if _failure(record)]
    if not failing:
        return
    yield _look(failing[0])
    collections = {record.collection for record in failing}
    yield from (_look(record) for _, record in single if record.collection not in collections)


def _failure(record: Record) -> str:
    """What failed, empty when nothing did."""
    told = (str(value) for field, value in record.fields.items() if value is not None and is_failure_field(field))
    return next((value for value in told if value not in _NONE), "")


def _look(record: Record) -> Look:
    names = [
        entity.name for field, entity in record_names(record).items() if field != "id" and not entity.name[0].islower()
    ]
    about = fold_name(_failure(record).replace("_", " "))
    search = " ".join(dict.fromkeys([*([about] if about else []), *names]))
    return Look(f"{record.collection} {record.id} names {search}", search=search)
