"""Judges client journals against the logs that the answers have in the end. Pure.

Theory of operation
    Each connection is walked through on its own: `accepted` or a verdict opens the *delivery* of an answer at a seq,
    and from there its entries must come in order, once, as the log has them, then one `end`. Over the connections of a
    client, what it keeps (as `PROTOCOL.md` tells a client to) must be the log, as far as it has read.

    A fault is one of these kinds:
      lost        an entry was skipped; an accepted answer has no sealed log; a complete client never saw the end
      duplicated  an entry or an `end` twice in one delivery; two answers for one ask id
      spliced     an entry is not what the log has there, is of another epoch, or the text is not what was to be said
      phantom     an entry that the log does not have
      unasked     an entry or `end` of an answer that this connection has no delivery of; somebody else's answer
      verdict     an answer without exactly one verdict, or one that contradicts the cursor
      ending      an `end` before the terminal entry or with another seq or state; an entry after the terminal
      log         the log itself breaks the grammar of entries
      generation  an answer's generation number went back
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.delivery.conformance.grammar import STATE_OF, faults_of, text_of
from tests.delivery.conformance.journal import Frame, Journal, Log, Record

Expect = Callable[[str], str | None]
"""Question to the whole text of its answer; None when nobody knows."""


@dataclass(frozen=True, slots=True)
class Fault:
    kind: str
    client: str
    answer: str
    detail: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.client}, answer {self.answer}: {self.detail}"


@dataclass(slots=True)
class Report:
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[Fault] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.faults

    def total(self, kind: str) -> int:
        return sum(fault.kind == kind for fault in self.faults)

    def __str__(self) -> str:
        return "\n".join([", ".join(f"{name} {n}" for name, n in self.counts.items()), *map(str, self.faults[:20])])


def check(
    journals: Sequence[Journal],
    logs: Mapping[str, Log],
    *,
    expect: Expect = lambda question: None,
    generations: Iterable[tuple[str, int]] = (),
) -> Report:
    """`logs` by answer id, read back after everything has ended; `generations` as sampled, in order of time."""
    report = Report()
    for log in logs.values():
        report.faults += [Fault("log", "the log", log.answer, detail) for detail in faults_of(log.entries, log.state)]
        report.counts["takeovers"] += sum(entry["type"] == "reset-step" for entry in log.entries)
    for journal in journals:
        _Reader(journal, logs, expect, report).check()
    _check_asks(journals, report)
    _check_generations(generations, report)
    return report


@dataclass(slots=True)
class _Delivery:
    """One answer on one connection: `next` is the seq that must come."""

    epoch: str
    next: int
    ended: bool = False


class _Reader:
    """One client."""

    def __init__(self, journal: Journal, logs: Mapping[str, Log], expect: Expect, report: Report) -> None:
        self._journal = journal
        self._logs = logs
        self._expect = expect
        self._report = report
        self._kept: dict[str, int] = {}
        """How many entries of each answer a correct client would hold."""
        self._ended: set[str] = set()
        self._deliveries: dict[str, _Delivery] = {}
        self._resumes: list[Frame] = []

    def check(self) -> None:
        for records in self._journal.connections():
            self._report.counts["connections"] += 1
            self._deliveries, self._resumes = {}, []
            for record in records:
                self._record(record)
        for accepted in self._journal.got("accepted"):
            self._check_answer(accepted)

    def _fault(self, kind: str, answer: str, detail: str) -> None:
        self._report.faults.append(Fault(kind, self._journal.client, answer, detail))

    def _record(self, record: Record) -> None:
        frame = record.frame
        match record.direction, frame.get("type"):
            case "sent", "resume":
                self._resumes.append(frame)
            case "got", "accepted":
                self._accepted(frame)
            case "got", "resumed":
                self._resumed(frame)
            case "got", "chunk":
                self._chunk(frame)
            case "got", "end":
                self._end(frame)
            case "got", "error" if self._resumes and "id" not in frame and "answer" not in frame:
                self._resumes.pop(0)  # the resume failed: it has no verdicts
            case "closed", _:
                self._report.counts["cuts"] += frame["code"] == 1006

    def _accepted(self, frame: Frame) -> None:
        answer = frame["answer"]
        delivery = self._deliveries.get(answer)
        if delivery is None or delivery.ended:  # else it is being told already: the ask was repeated
            self._deliveries[answer] = _Delivery(frame["epoch"], 0)
            self._kept.setdefault(answer, 0)

    def _resumed(self, frame: Frame) -> None:
        if not self._resumes:
            self._fault("verdict", "-", "a resumed that nobody asked for")
            return
        cursors = {cursor["answer"]: cursor for cursor in self._resumes.pop(0).get("cursors", ())}
        told = Counter(verdict["answer"] for verdict in frame["answers"])
        for answer in cursors.keys() | told.keys():
            if told[answer] != 1:
                self._fault("verdict", answer, f"{told[answer]} verdicts in one resumed")
        for verdict in frame["answers"]:
            self._verdict(verdict, cursors.get(verdict["answer"]))

    def _verdict(self, verdict: Frame, cursor: Frame | None) -> None:
        answer = verdict["answer"]
        self._deliveries.pop(answer, None)
        points_inside = (
            cursor is not None and cursor["epoch"] == verdict["epoch"] and -1 <= cursor["seq"] < verdict["head"]
        )
        match verdict["verdict"]:
            case "resumed":
                if cursor is None or not points_inside:
                    self._fault("verdict", answer, f"resumed from cursor {cursor} of a log of {verdict['head']}")
                else:
                    self._deliveries[answer] = _Delivery(verdict["epoch"], cursor["seq"] + 1)
            case "snapshot":
                if points_inside:
                    self._fault("verdict", answer, f"snapshot although cursor {cursor} was good")
                self._deliveries[answer] = _Delivery(verdict["epoch"], 0)
                self._kept[answer] = 0
            case "gone":
                if answer in self._logs and self._logs[answer].user == self._journal.user and cursor is None:
                    self._fault("verdict", answer, "gone, but it is there")
                self._kept.pop(answer, None)

    def _chunk(self, frame: Frame) -> None:
        answer, seq = frame["answer"], frame["seq"]
        delivery = self._deliveries.get(answer)
        self._report.counts["entries"] += 1
        if delivery is None or self._is_foreign(answer):
            self._fault("unasked", answer, f"entry {seq}")
            return
        if frame["epoch"] != delivery.epoch:
            self._fault("spliced", answer, f"entry {seq} of epoch {frame['epoch']} among those of {delivery.epoch}")
            return
        if seq > delivery.next:
            self._fault("lost", answer, f"entries {delivery.next} to {seq - 1}")
        elif seq < delivery.next:
            self._fault("duplicated", answer, f"entry {seq} again")
        delivery.next = max(delivery.next, seq + 1)
        if seq == self._kept.get(answer, 0):
            self._kept[answer] = seq + 1
        self._compare(frame)

    def _compare(self, frame: Frame) -> None:
        """With what the log has at that place, as long as it is the same log."""
        answer, seq = frame["answer"], frame["seq"]
        log = self._logs.get(answer)
        if log is None or log.epoch != frame["epoch"]:
            return
        if seq >= len(log.entries):
            self._fault("phantom", answer, f"entry {seq} of {len(log.entries)}")
        elif frame["chunk"] != log.entries[seq]:
            self._fault("spliced", answer, f"entry {seq} is {frame['chunk']}, the log has {log.entries[seq]}")
        if self._deliveries[answer].ended:
            self._fault("ending", answer, f"entry {seq} after the end")

    def _end(self, frame: Frame) -> None:
        answer = frame["answer"]
        delivery = self._deliveries.get(answer)
        log = self._logs.get(answer)
        if delivery is None or self._is_foreign(answer):
            self._fault("unasked", answer, "end")
            return
        if delivery.ended:
            self._fault("duplicated", answer, "a second end")
        delivery.ended = True
        self._ended.add(answer)
        if log is not None and log.epoch == delivery.epoch:
            length = len(log.entries)
            if (frame["seq"], frame["state"], delivery.next) != (length - 1, log.state, length):
                self._fault("ending", answer, f"{dict(frame)} after {delivery.next} of {length} entries")

    def _is_foreign(self, answer: str) -> bool:
        return answer in self._logs and self._logs[answer].user != self._journal.user

    def _check_answer(self, accepted: Frame) -> None:
        """In the end, what a client has of an answer that it asked for is the log."""
        answer, log = accepted["answer"], self._logs.get(accepted["answer"])
        if log is None or not log.entries or log.entries[-1]["type"] not in STATE_OF:
            self._fault("lost", answer, "accepted, but there is no sealed log")
            return
        if self._journal.complete and (answer not in self._ended or self._kept.get(answer) != len(log.entries)):
            read = f"{self._kept.get(answer)} of {len(log.entries)} entries"
            self._fault("lost", answer, f"read {read}, end {'seen' if answer in self._ended else 'missing'}")
        self._check_text(accepted["id"], log)

    def _check_text(self, ask_id: str, log: Log) -> None:
        question = next(ask["text"] for ask in self._journal.sent("ask") if ask["id"] == ask_id)
        whole = self._expect(question)
        text = text_of(log.entries)
        if whole is not None and (text != whole if log.state == "completed" else not whole.startswith(text)):
            self._fault("spliced", log.answer, f"its text is not what the model says: {_difference(text, whole)}")


def _difference(text: str, whole: str) -> str:
    same = next((i for i, (a, b) in enumerate(zip(text, whole, strict=False)) if a != b), min(len(text), len(whole)))
    return f"{len(text)} characters of {len(whole)}, different from {same} on: {text[same : same + 20]!r}"


def _check_asks(journals: Sequence[Journal], report: Report) -> None:
    """One answer for each user and ask id, whatever connection or client asked."""
    answers: dict[tuple[str, str], str] = {}
    for journal in journals:
        for frame in journal.got("accepted"):
            first = answers.setdefault((journal.user, frame["id"]), frame["answer"])
            if first != frame["answer"]:
                detail = f"ask {frame['id']} has another answer, {first}"
                report.faults.append(Fault("duplicated", journal.client, frame["answer"], detail))
    report.counts["answers"] += len(answers)
    for answer, uses in Counter(answers.values()).items():
        if uses > 1:
            report.faults.append(Fault("spliced", "-", answer, f"it answers {uses} asks"))


def _check_generations(generations: Iterable[tuple[str, int]], report: Report) -> None:
    newest: dict[str, int] = {}
    for answer, generation in generations:
        if generation < newest.get(answer, 0):
            report.faults.append(Fault("generation", "the log", answer, f"{generation} after {newest[answer]}"))
        newest[answer] = generation
