"""The checker itself: silent on every correct run, and never on a run with a fault planted in it."""

import copy
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.delivery.conformance.checker import Report, check
from tests.delivery.conformance.grammar import text_of
from tests.delivery.conformance.journal import Frame, Journal, Log, Record

WHOLE = "one two three "


def told(answer: str, rng: random.Random) -> tuple[Frame, ...]:
    """A log as a server may write it, with a takeover in some."""
    step: list[Frame] = [{"type": "text-start", "id": "t"}]
    step += [{"type": "text-delta", "id": "t", "delta": f"{word} "} for word in WHOLE.split()]
    step += [{"type": "text-end", "id": "t"}, {"type": "finish-step"}]
    withdrawn: list[Frame] = [*step[: rng.randrange(len(step))], {"type": "reset-step"}] if rng.random() < 0.5 else []
    begin: list[Frame] = [{"type": "start", "messageId": answer}, {"type": "start-step"}]
    return (*begin, *withdrawn, *step, {"type": "finish", "finishReason": "stop"})


@dataclass
class World:
    """A correct server and its clients; `play` gives their journals."""

    rng: random.Random
    logs: dict[str, Log] = field(default_factory=dict)
    journals: list[Journal] = field(default_factory=list)

    def play(self, answers: int) -> None:
        journal = Journal("c0")
        ids = [f"a{n}" for n in range(answers)]
        for id in ids:
            self.logs[id] = Log(id, f"e-{id}", "completed", told(id, self.rng))
        connection, read = 0, dict.fromkeys(ids, 0)
        put = journal.records.append
        put(Record(0, 0.0, "got", {"type": "welcome"}))
        for id in ids:
            put(Record(0, 0.0, "sent", {"type": "ask", "id": f"q-{id}", "chat": "c", "text": "?"}))
            put(Record(0, 0.0, "got", {"type": "accepted", "id": f"q-{id}", "answer": id, "epoch": f"e-{id}"}))
        left = set(ids)
        while left:
            if self.rng.random() < 0.1:
                put(Record(connection, 0.0, "closed", {"code": 1006}))
                connection += 1
                self._resume(journal, connection, read, left)
            id = self.rng.choice(sorted(left))
            log = self.logs[id]
            if read[id] < len(log.entries):
                put(Record(connection, 0.0, "got", self._chunk(log, read[id])))
                read[id] += 1
            else:
                put(Record(connection, 0.0, "got", end(log)))
                left.remove(id)
        put(Record(connection, 0.0, "closed", {"code": 1000}))
        self.journals.append(journal)

    def _resume(self, journal: Journal, connection: int, read: dict[str, int], left: set[str]) -> None:
        kept = {id for id in left if self.rng.random() < 0.7}
        cursors = [{"answer": id, "epoch": f"e-{id}", "seq": read[id] - 1} for id in sorted(kept)]
        verdicts = []
        for id in sorted(left):
            verdict = "resumed" if id in kept else "snapshot"
            read[id] = read[id] if id in kept else 0
            log = self.logs[id]
            head = self.rng.randint(read[id], len(log.entries))
            verdicts.append({"answer": id, "epoch": log.epoch, "head": head, "state": "running", "verdict": verdict})
        journal.records += [
            Record(connection, 0.0, "sent", {"type": "resume", "chat": "c", "cursors": cursors}),
            Record(connection, 0.0, "got", {"type": "resumed", "chat": "c", "answers": verdicts}),
        ]

    def _chunk(self, log: Log, seq: int) -> Frame:
        return {"type": "chunk", "answer": log.answer, "epoch": log.epoch, "seq": seq, "chunk": log.entries[seq]}

    def check(self) -> Report:
        return check(self.journals, self.logs, expect=lambda question: WHOLE)


def end(log: Log) -> Frame:
    return {"type": "end", "answer": log.answer, "seq": len(log.entries) - 1, "state": log.state}


def played(seed: int, answers: int = 2) -> World:
    world = World(random.Random(seed))
    world.play(answers)
    return world


@settings(max_examples=100, deadline=None)
@given(st.integers(min_value=0), st.integers(min_value=1, max_value=4))
def test_a_correct_run_has_no_fault(seed: int, answers: int) -> None:
    """Whatever is cut, kept and forgotten, a correct server's journals are judged clean."""
    report = played(seed, answers).check()
    assert report.ok, str(report)
    assert report.counts["answers"] == answers


Plant = Callable[[World], None]


def got(world: World, kind: str) -> list[int]:
    """Where the events of this type stand in the journal."""
    return [
        index
        for index, record in enumerate(world.journals[0].records)
        if record.direction == "got" and record.frame["type"] == kind
    ]


def edit(world: World, kind: str, **fields: Any) -> None:
    """Changes fields of one event of this type."""
    records = world.journals[0].records
    index = world.rng.choice(got(world, kind))
    records[index] = replace(records[index], frame={**copy.deepcopy(records[index].frame), **fields})


def drop(world: World, kind: str) -> None:
    del world.journals[0].records[world.rng.choice(got(world, kind))]


def repeat(world: World, kind: str) -> None:
    index = world.rng.choice(got(world, kind))
    world.journals[0].records.insert(index, world.journals[0].records[index])


def insert_before(world: World, kind: str, frame: Frame) -> None:
    index = world.rng.choice(got(world, kind))
    connection = world.journals[0].records[index].connection
    world.journals[0].records.insert(index, Record(connection, 0.0, "got", frame))


def neighbours(world: World) -> list[tuple[int, int]]:
    """The places of an entry and the next one of its answer, in one delivery."""
    records = world.journals[0].records
    last: dict[tuple[int, str], int] = {}
    pairs = []
    for place in got(world, "chunk"):
        key = (records[place].connection, records[place].frame["answer"])
        if key in last:
            pairs.append((last[key], place))
        last[key] = place
    return pairs


def skip_entry(world: World) -> None:
    del world.journals[0].records[world.rng.choice(neighbours(world))[0]]


def swap_entries(world: World) -> None:
    records = world.journals[0].records
    a, b = world.rng.choice(neighbours(world))
    records[a], records[b] = records[b], records[a]


def end_too_early(world: World) -> None:
    log = world.logs["a0"]
    records = world.journals[0].records
    last = max(i for i in got(world, "chunk") if records[i].frame["answer"] == "a0")
    records.insert(last, Record(records[last].connection, 0.0, "got", end(log)))


def accept_another(world: World) -> None:
    records = world.journals[0].records
    index = next(i for i in got(world, "accepted") if records[i].frame["answer"] == "a1")
    records[index] = replace(records[index], frame={**records[index].frame, "answer": "a0", "epoch": "e-a0"})


def second_answer(world: World) -> None:
    accepted = world.journals[0].got("accepted")[0]
    insert_before(world, "end", {**accepted, "answer": "other"})
    world.logs["other"] = replace(world.logs["a0"], answer="other")


def entry_after_the_log(world: World) -> None:
    log = world.logs["a0"]
    insert_before_end_of(world, "a0", {**_chunk_of(log, 0), "seq": len(log.entries)})


def insert_before_end_of(world: World, answer: str, frame: Frame) -> None:
    records = world.journals[0].records
    index = next(i for i in got(world, "end") if records[i].frame["answer"] == answer)
    records.insert(index, Record(records[index].connection, 0.0, "got", frame))


def entry_after_the_end(world: World) -> None:
    log = world.logs["a0"]
    records = world.journals[0].records
    index = next(i for i in got(world, "end") if records[i].frame["answer"] == "a0")
    records.insert(index + 1, Record(records[index].connection, 0.0, "got", _chunk_of(log, len(log.entries) - 1)))


def _chunk_of(log: Log, seq: int) -> dict[str, Any]:
    return {"type": "chunk", "answer": log.answer, "epoch": log.epoch, "seq": seq, "chunk": log.entries[seq]}


def foreign_entry(world: World) -> None:
    world.logs["x"] = replace(world.logs["a0"], answer="x", user="somebody else")
    insert_before(world, "end", {**_chunk_of(world.logs["x"], 0)})


def accept_foreign(world: World) -> None:
    """Even a delivery that was opened does not make another user's answer one's own."""
    world.logs["a0"] = replace(world.logs["a0"], user="somebody else")


def change_log(world: World, change: Callable[[tuple[Frame, ...]], tuple[Frame, ...]]) -> None:
    world.logs["a0"] = replace(world.logs["a0"], entries=change(world.logs["a0"].entries))


def cut_resume(world: World, change: Callable[[list[dict[str, Any]]], None]) -> None:
    """A resume of one answer, whose verdicts are then changed."""
    log = world.logs["a0"]
    cursor = {"answer": "a0", "epoch": log.epoch, "seq": 3}
    verdict = {"answer": "a0", "epoch": log.epoch, "head": 5, "state": "running", "verdict": "resumed"}
    verdicts = [verdict]
    change(verdicts)
    world.journals[0].complete = False
    world.journals[0].records += [
        Record(99, 0.0, "sent", {"type": "resume", "chat": "c", "cursors": [cursor]}),
        Record(99, 0.0, "got", {"type": "resumed", "chat": "c", "answers": verdicts}),
    ]


def lose_log(world: World) -> None:
    del world.logs["a0"]


def splice_takeover(world: World) -> None:
    """A takeover that tells its step again without having withdrawn it; the client saw just that."""
    log = world.logs["a0"]
    entries = tuple(entry for entry in log.entries if entry["type"] != "reset-step")
    double = (*entries[:-3], {"type": "text-delta", "id": "t", "delta": "one "}, *entries[-3:])
    world.logs["a0"] = replace(log, entries=double)


PLANTS: dict[str, tuple[str, Plant]] = {
    "an entry is skipped": ("lost", skip_entry),
    "an entry comes twice": ("duplicated", lambda w: repeat(w, "chunk")),
    "two entries change places": ("lost", swap_entries),
    "an entry has another content": ("spliced", lambda w: edit(w, "chunk", chunk={"type": "text-delta", "delta": "!"})),
    "an entry is of another epoch": ("spliced", lambda w: edit(w, "chunk", epoch="other")),
    "an entry is not in the log": ("phantom", entry_after_the_log),
    "an entry comes after the end": ("ending", entry_after_the_end),
    "an end is missing": ("lost", lambda w: drop(w, "end")),
    "an end comes twice": ("duplicated", lambda w: repeat(w, "end")),
    "an end tells another state": ("ending", lambda w: edit(w, "end", state="failed")),
    "an end tells another seq": ("ending", lambda w: edit(w, "end", seq=1)),
    "an end comes before the terminal": ("ending", end_too_early),
    "two answers for one ask": ("duplicated", second_answer),
    "one answer for two asks": ("spliced", accept_another),
    "an answer that nobody asked for": ("unasked", foreign_entry),
    "somebody else's answer": ("unasked", accept_foreign),
    "no verdict": ("verdict", lambda w: cut_resume(w, lambda verdicts: verdicts.clear())),
    "two verdicts": ("verdict", lambda w: cut_resume(w, lambda verdicts: verdicts.append(verdicts[0]))),
    "a good cursor refused": ("verdict", lambda w: cut_resume(w, lambda v: v[0].update(verdict="snapshot"))),
    "a cursor of another epoch taken": ("verdict", lambda w: cut_resume(w, lambda v: v[0].update(epoch="other"))),
    "a cursor ahead of the head taken": ("verdict", lambda w: cut_resume(w, lambda v: v[0].update(head=3))),
    "verdicts for nobody": ("verdict", lambda w: insert_before(w, "end", {"type": "resumed", "answers": []})),
    "an accepted answer without a log": ("lost", lose_log),
    "a log without a terminal": ("log", lambda w: change_log(w, lambda entries: entries[:-1])),
    "a log with two terminals": ("log", lambda w: change_log(w, lambda entries: (*entries, entries[-1]))),
    "a log that begins twice": ("log", lambda w: change_log(w, lambda entries: (entries[0], *entries))),
    "a reset outside a step": ("log", lambda w: change_log(w, lambda e: (e[0], {"type": "reset-step"}, *e[1:]))),
    "a step that is not closed": (
        "log",
        lambda w: change_log(w, lambda entries: (*entries[:2], {"type": "start-step"}, *entries[2:])),
    ),
    "a takeover without a reset": ("spliced", splice_takeover),
}


@pytest.mark.parametrize("name", PLANTS)
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(min_value=0))
def test_a_planted_fault_is_found(name: str, seed: int) -> None:
    """Each kind of fault, planted anywhere in a correct run, is reported as what it is."""
    kind, plant = PLANTS[name]
    world = played(seed)
    plant(world)
    assert world.check().total(kind), f"{name}: {world.check()}"


def test_generations_never_go_back() -> None:
    """A generation number that was seen is never followed by a smaller one of the same answer."""
    assert check([], {}, generations=[("a", 1), ("b", 1), ("a", 2), ("b", 1)]).ok
    assert check([], {}, generations=[("a", 2), ("a", 1)]).total("generation") == 1


def test_a_client_that_leaves_may_miss_the_rest() -> None:
    """Only a client that meant to read on is missing what it did not read."""
    world = played(7)
    world.journals[0].records = world.journals[0].records[: got(world, "chunk")[3]]
    assert world.check().total("lost") == 2
    world.journals[0].complete = False
    assert world.check().ok


def steps(seed: int) -> Iterator[Frame]:
    yield from told("a", random.Random(seed))


@given(st.integers(min_value=0))
def test_a_withdrawn_step_leaves_no_text(seed: int) -> None:
    """However often a takeover begins a step again, its text stands there once."""
    assert text_of(list(steps(seed))) == WHOLE
