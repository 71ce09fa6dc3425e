"""The answer log in memory: for tests and throwaway servers. Nothing survives the process."""

import dataclasses
import time
from collections.abc import Callable, Mapping

from chatserver.answers.log import (
    Appended,
    Batch,
    ChatPlace,
    ChatSummary,
    Claim,
    Conflict,
    Fenced,
    Listener,
    Ring,
)
from chatserver.answers.meta import JOBS, AnswerMeta, NewAnswer, is_job
from chatserver.answers.states import AnswerState
from chatserver.answers.turns import in_turn


@dataclasses.dataclass(slots=True)
class _Stored:
    meta: AnswerMeta
    entries: list[bytes]
    batches: dict[str, int]
    """Batch id to the head after it."""
    marks: dict[str, float]


class MemoryAnswerLog:
    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._answers: dict[str, _Stored] = {}
        self._asked: dict[tuple[str, str], str] = {}
        self._listeners: dict[Listener, None] = {}

    async def create(self, new: NewAnswer) -> tuple[AnswerMeta, bool]:
        known = self._asked.get((new.user, new.ask_id))
        if known is not None:
            return self._answers[known].meta, False
        meta = AnswerMeta(new, AnswerState.QUEUED, 0, None, 0, -1, False, 0.0)
        self._answers[new.answer] = _Stored(meta, [], {}, {})
        self._asked[new.user, new.ask_id] = new.answer
        return meta, True

    async def claim(self, answer: str, owner: str, lease_s: float) -> tuple[Claim, AnswerMeta] | None:
        stored = self._answers.get(answer)
        if stored is None or not self._is_claimable(stored.meta, self._clock()):
            return None
        generation = stored.meta.generation + 1
        self._change(
            stored,
            state=AnswerState.RUNNING,
            owner=owner,
            generation=generation,
            lease_until=self._clock() + lease_s,
        )
        return Claim(answer, generation, owner), stored.meta

    async def renew(self, claim: Claim, lease_s: float) -> bool:
        stored = self._held(claim)
        self._change(stored, lease_until=self._clock() + lease_s)
        return stored.meta.stop_requested

    async def append(self, claim: Claim, batch: Batch, lease_s: float) -> Appended:
        stored = self._answers.get(claim.answer)
        if stored is not None and stored.batches.get(batch.id) == batch.expected_head + len(batch.entries):
            return Appended(stored.batches[batch.id], stored.meta.stop_requested)
        stored = self._held(claim)
        if batch.expected_head != stored.meta.head:
            raise Conflict(f"head is {stored.meta.head}, not {batch.expected_head}")
        stored.entries.extend(batch.entries)
        head = stored.batches[batch.id] = len(stored.entries)
        self._change(stored, head=head, lease_until=self._clock() + lease_s)
        if batch.seal is not None:
            self._change(stored, state=batch.seal, owner=None)
        self._ring(Ring(claim.answer, batch.expected_head, tuple(batch.entries), batch.seal))
        return Appended(head, stored.meta.stop_requested)

    async def release(self, claim: Claim) -> None:
        self._change(self._held(claim), state=AnswerState.QUEUED, owner=None, lease_until=0.0)
        self._ring(Ring(claim.answer, 0))

    async def request_stop(self, user: str, answer: str) -> AnswerMeta | None:
        stored = self._owned(user, answer)
        if stored is None:
            return None
        if not stored.meta.state.sealed:
            self._change(stored, stop_requested=True)
            self._ring(Ring(answer, 0))
        return stored.meta

    async def acknowledge(self, user: str, answer: str, seq: int) -> AnswerMeta | None:
        stored = self._owned(user, answer)
        if stored is None:
            return None
        meta = stored.meta
        self._change(stored, acknowledged=max(meta.acknowledged, min(seq, meta.head - 1)))
        return stored.meta

    async def meta(self, answer: str) -> AnswerMeta | None:
        stored = self._answers.get(answer)
        return stored.meta if stored else None

    async def of_ask(self, user: str, ask_id: str) -> AnswerMeta | None:
        known = self._asked.get((user, ask_id))
        return self._answers[known].meta if known is not None else None

    async def read(self, answer: str, first: int, limit: int) -> list[bytes]:
        stored = self._answers.get(answer)
        return stored.entries[first : first + limit] if stored else []

    async def chat(self, user: str, chat: str, *, undelivered: bool = False) -> list[AnswerMeta]:
        metas = [meta for meta in self._of_user(user) if meta.question.chat == chat]
        return [meta for meta in metas if not (undelivered and meta.delivered)]

    async def chats(self, user: str, limit: int, after: ChatPlace | None = None) -> list[ChatSummary]:
        by_chat: dict[str, list[AnswerMeta]] = {}
        for meta in self._of_user(user):
            if meta.question.chat != JOBS:
                by_chat.setdefault(meta.question.chat, []).append(meta)
        summaries = [
            ChatSummary(chat, metas[0].question.text, metas[-1].question.asked_at, len(metas))
            for chat, metas in by_chat.items()
        ]
        later = [summary for summary in summaries if after is None or summary.place < after]
        return sorted(later, key=lambda summary: summary.place, reverse=True)[:limit]

    async def claimable(self, limit: int, *, jobs: bool = False) -> list[str]:
        now = self._clock()
        metas = [stored.meta for id, stored in self._answers.items() if is_job(id) == jobs]
        metas = [meta for meta in metas if self._is_claimable(meta, now)]
        oldest_first = sorted(metas, key=lambda meta: meta.question.asked_at)
        return [answer for answer, _ in in_turn((meta.answer, meta.question.user) for meta in oldest_first)][:limit]

    async def stop_requests(self, owner: str) -> list[str]:
        metas = [stored.meta for stored in self._answers.values()]
        return [meta.answer for meta in metas if meta.owner == owner and meta.stop_requested]

    async def mark(self, answer: str, marks: Mapping[str, float]) -> None:
        if (stored := self._answers.get(answer)) is not None:
            stored.marks = {**marks, **stored.marks}

    async def timeline(self, answer: str) -> dict[str, float]:
        stored = self._answers.get(answer)
        return dict(stored.marks) if stored else {}

    async def erase(self, user: str) -> list[str]:
        erased = [meta.answer for meta in self._of_user(user)]
        for answer in erased:
            del self._answers[answer]
        self._asked = {key: answer for key, answer in self._asked.items() if key[0] != user}
        return erased

    def listen(self, listener: Listener, interested: Callable[[], bool]) -> Callable[[], None]:
        self._listeners[listener] = None
        return lambda: self._listeners.pop(listener, None)

    async def follow(self, answer: str) -> None:
        """There are no other processes."""

    def unfollow(self, answer: str) -> None:
        """The end of nothing."""

    async def aclose(self) -> None:
        self._listeners.clear()

    @staticmethod
    def _is_claimable(meta: AnswerMeta, now: float) -> bool:
        expired = meta.state is AnswerState.RUNNING and meta.lease_until < now
        return meta.state is AnswerState.QUEUED or expired

    def _held(self, claim: Claim) -> _Stored:
        stored = self._answers.get(claim.answer)
        if stored is None or stored.meta.state.sealed or stored.meta.generation != claim.generation:
            raise Fenced(claim.answer)
        if stored.meta.owner != claim.owner:  # released
            raise Fenced(claim.answer)
        return stored

    def _owned(self, user: str, answer: str) -> _Stored | None:
        stored = self._answers.get(answer)
        return stored if stored is not None and stored.meta.question.user == user else None

    def _of_user(self, user: str) -> list[AnswerMeta]:
        metas = [stored.meta for stored in self._answers.values() if stored.meta.question.user == user]
        return sorted(metas, key=lambda meta: meta.question.asked_at)

    def _change(self, stored: _Stored, **changes: object) -> None:
        stored.meta = dataclasses.replace(stored.meta, **changes)  # type: ignore[arg-type]

    def _ring(self, ring: Ring) -> None:
        for listener in list(self._listeners):
            listener(ring)
