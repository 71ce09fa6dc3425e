"""The answer log on Redis: many nodes on one log.

Theory of operation
    An answer is a hash and a stream in one slot; a script appends to both under the fence (`lua/append.lua`). What
    lies in other slots (a user's chats, the unsealed answers) is only an index to that: see `RedisIndex`. The clock of
    leases is Redis's.

    The index of unsealed answers holds, for each, when to look at it next: at once when it is queued, else when its
    lease would end that was known last. Appends and renewals don't touch it: who looks finds the lease extended, and
    writes the new time.

    Redis may lose what it has acknowledged: its last second in a crash, more in a failover, all in a FLUSHALL. An
    owner keeps what it has appended (`Held`), notices at its next append, renewal or reconnection that the log is not
    that, and appends again what is missing: the same entries at the same places, so that no reader's cursor lies. What
    can't be made whole again gets another epoch and another owner, and readers a `snapshot` or `gone` verdict.

    A process has three connections, however many chats: one for writes, one for reads, one that hears the doorbell.
    Each master of a cluster has two of its own (`Shards`).

What survives what is told in `docs/redis.md`.
"""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Self

import structlog

from chatserver.answers import redis_scripts as scripts
from chatserver.answers.log import (
    Appended,
    Batch,
    ChatPlace,
    ChatSummary,
    Claim,
    Conflict,
    Fenced,
    Listener,
    LogUnavailable,
    Ring,
)
from chatserver.answers.meta import AnswerMeta, NewAnswer
from chatserver.answers.redis_doorbell import PROBE_S, Doorbell
from chatserver.answers.redis_format import agree_on_format, refuse_old
from chatserver.answers.redis_held import Held, Kept, unchained
from chatserver.answers.redis_index import FOR_EVER, RedisIndex, Retention
from chatserver.answers.redis_keys import NEWS, entries_key, meta_key, ring_channel
from chatserver.answers.redis_removal import erase
from chatserver.answers.redis_restore import Restorer
from chatserver.answers.redis_values import MARK, META, entries_of, marks_of, meta_of, question_blob
from chatserver.answers.states import AnswerState
from chatserver.answers.turns import in_turn
from chatserver.redis.address import Address
from chatserver.redis.link import PATIENCE_S
from chatserver.redis.shards import Shards

log = structlog.get_logger(__name__)

PAGE_BYTES = 1 << 20
_PENDING_MS = 3_600_000
"""A question whose asking was cut short in the middle is forgotten after an hour."""

_FAIR = 4
"""How many times a limit is looked at, to find whose turn it is."""


class RedisAnswerLog:
    """Made by `open`."""

    def __init__(
        self,
        address: Address,
        *,
        clock: Callable[[], float] | None,
        retention: Retention,
        patience_s: float,
        probe_s: float,
    ) -> None:
        self._clock = clock
        self._retention = retention
        self._writes = Shards(address, reopened=self._reopened, patience_s=patience_s)
        self._reads = Shards(address, reopened=self._reopened, patience_s=patience_s)
        self._index = RedisIndex(self._writes, self._reads, retention)
        self._doorbell = Doorbell(address, self._writes, self._ring, probe_s=probe_s)
        self._restorer = Restorer(self._writes, self._reads, self._index, self._doorbell, self._send, self._now)
        self._listeners: dict[Listener, Callable[[], bool]] = {}

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        clock: Callable[[], float] | None = None,
        retention: Retention = FOR_EVER,
        patience_s: float = PATIENCE_S,
        probe_s: float = PROBE_S,
    ) -> Self:
        """`clock` takes the place of Redis's own. Raises `LogUnavailable` when Redis does not answer, `LogError` when
        it is older than 7.0 or its answers are of a newer format, `ValueError` for a URL that is none."""
        opened = cls(Address.parse(url), clock=clock, retention=retention, patience_s=patience_s, probe_s=probe_s)
        try:
            await opened._writes.open()
            await refuse_old(opened._writes)
            await agree_on_format(opened._writes)
            await opened._reads.open()
            await opened._doorbell.open()
            await opened._restorer.note_runs()
        except BaseException:  # cancelled as well: its connections and tasks are nobody else's
            await opened.aclose()
            raise
        return opened

    async def create(self, new: NewAnswer) -> tuple[AnswerMeta, bool]:
        self._expect_all()
        made, answer = await asyncio.gather(self._create(new), self._index.ask(new))
        if answer != new.answer:
            if made:
                await self._writes.call("DEL", meta_key(new.answer))
            new = replace(new, answer=answer)
            made = await self._create(new)  # else its log was lost, and only its user's index knew of it
        if made:
            await self._index.settle(new)
            self._restorer.asked(new)
            return AnswerMeta(new, AnswerState.QUEUED, 0, None, 0, -1, False, 0.0), True
        meta = await self.meta(answer)
        if meta is None:
            raise LogUnavailable(f"{answer} went while it was asked for")
        if meta.state is AnswerState.QUEUED:  # who asked first may not have come so far
            await self._index.settle(meta.question)
        return meta, False

    async def claim(self, answer: str, owner: str, lease_s: float) -> tuple[Claim, AnswerMeta] | None:
        self._expect_all()
        arguments = (owner, lease_s, self._now(), self._restorer.run_of(answer), uuid.uuid4().hex[:8])
        got = await scripts.CLAIM.run(self._writes, [meta_key(answer)], *arguments)
        meta = meta_of(got[0]) if got else None
        if meta is None:
            return None
        claim = Claim(answer, meta.generation, owner)
        self._restorer.held[answer] = Held(claim, meta, lease_s, meta.head, got[1].decode())
        await self._index.look_at(meta.question, meta.lease_until)
        if meta.stop_requested:
            await self._index.note_stop(meta)
        return claim, meta

    async def renew(self, claim: Claim, lease_s: float) -> bool:
        if self._restorer.patient and not await self._restorer.restore(claim):
            self._expect_all()  # a renewal says of this Redis that all is there
        arguments = (claim.generation, claim.owner, lease_s, self._now(), self._restorer.run_of(claim.answer))
        stop = await scripts.RENEW.run(self._writes, [meta_key(claim.answer)], *arguments)
        if stop is None and await self._restorer.restore(claim):
            stop = await scripts.RENEW.run(self._writes, [meta_key(claim.answer)], *arguments)
        if stop is None:
            self._restorer.let_go(claim)
            raise Fenced(claim.answer)
        return bool(stop == b"1")

    async def append(self, claim: Claim, batch: Batch, lease_s: float) -> Appended:
        blob = b"\n".join(batch.entries)
        held = self._restorer.held_by(claim)
        kept = held.extended(batch, blob) if held else unchained(batch, blob)
        verdict, stop, head = await self._send(claim, kept, lease_s)
        if verdict == b"lost" and await self._restorer.restore(claim):
            verdict, stop, head = await self._send(claim, kept, lease_s)
        match verdict:
            case b"ok":
                if held is not None:
                    self._restorer.note(held, kept)
                self._ring(Ring(claim.answer, batch.expected_head, batch.entries, batch.seal))
                return Appended(kept.head, stop == b"1")
            case b"conflict":
                raise Conflict(f"head is {int(head)}, not {batch.expected_head}")
            case _:
                self._restorer.let_go(claim)
                raise Fenced(claim.answer)

    async def release(self, claim: Claim) -> None:
        message = self._doorbell.released(claim.answer)
        arguments = (claim.generation, claim.owner, NEWS, message)
        done = await scripts.RELEASE.run(self._writes, [meta_key(claim.answer)], *arguments)
        self._restorer.let_go(claim)
        if not done:
            raise Fenced(claim.answer)
        meta = await self.meta(claim.answer)
        if meta is not None:
            await self._index.look_at(meta.question, 0.0)
        self._ring(Ring(claim.answer))

    async def request_stop(self, user: str, answer: str) -> AnswerMeta | None:
        arguments = (user, NEWS, self._doorbell.changed(answer))
        meta = meta_of(await scripts.STOP.run(self._writes, [meta_key(answer)], *arguments))
        if meta is not None and not meta.state.sealed:
            await self._index.note_stop(meta)
            self._ring(Ring(answer))
        return meta

    async def acknowledge(self, user: str, answer: str, seq: int) -> AnswerMeta | None:
        return meta_of(await scripts.ACKNOWLEDGE.run(self._writes, [meta_key(answer)], user, seq))

    async def meta(self, answer: str) -> AnswerMeta | None:
        meta = meta_of(await self._reads.call("HMGET", meta_key(answer), *META))
        if meta is None:
            self._expect_all()
            if self._restorer.lacks_ours:
                raise LogUnavailable("answers of this process are still being put back")
        return meta

    async def of_ask(self, user: str, ask_id: str) -> AnswerMeta | None:
        answer = await self._index.of_ask(user, ask_id)
        return await self.meta(answer) if answer is not None else None

    async def read(self, answer: str, first: int, limit: int) -> list[bytes]:
        keys = [meta_key(answer), entries_key(answer)]
        got = await scripts.READ.run(self._reads, keys, first, limit, PAGE_BYTES)
        if not got:
            return []
        entries = entries_of(got[1], first, limit)
        if not entries and int(got[0]) > first:
            await self._discard(answer, int(got[0]))
        return entries

    async def chat(self, user: str, chat: str, *, undelivered: bool = False) -> list[AnswerMeta]:
        self._expect_all()
        metas = await asyncio.gather(*map(self.meta, await self._index.answers(user, chat)))
        there = [meta for meta in metas if meta is not None and not (undelivered and meta.delivered)]
        return sorted(there, key=lambda meta: meta.question.asked_at)

    async def chats(self, user: str, limit: int, after: ChatPlace | None = None) -> list[ChatSummary]:
        return await self._index.chats(user, limit, after)

    async def claimable(self, limit: int, *, jobs: bool = False) -> list[str]:
        self._expect_all()  # owners have the first word
        now = await self._time()
        due = await self._index.due(now, _FAIR * limit, jobs=jobs)
        judged = await asyncio.gather(*(self._claimable(answer, place, now) for answer, place in due.items()))
        return [answer for answer, _ in in_turn((meta.answer, meta.question.user) for meta in judged if meta)][:limit]

    async def stop_requests(self, owner: str) -> list[str]:
        answers = await self._index.stops(owner)
        metas = await asyncio.gather(*map(self.meta, answers))
        mine = {meta.answer for meta in metas if meta is not None and meta.stop_requested and meta.owner == owner}
        await self._index.forget_stops(owner, [answer for answer in answers if answer not in mine])
        return [answer for answer in answers if answer in mine]

    async def mark(self, answer: str, marks: Mapping[str, float]) -> None:
        named = [part for name, at in marks.items() for part in (f"{MARK}{name}", repr(at))]
        await scripts.MARK.run(self._writes, [meta_key(answer)], *named)

    async def timeline(self, answer: str) -> dict[str, float]:
        return marks_of(await self._reads.call("HGETALL", meta_key(answer)))

    async def erase(self, user: str) -> list[str]:
        return await erase(self._writes, user)

    def listen(self, listener: Listener, interested: Callable[[], bool]) -> Callable[[], None]:
        self._listeners[listener] = interested
        return lambda: self._listeners.pop(listener, None) and None

    async def follow(self, answer: str) -> None:
        await self._doorbell.follow(answer)

    def unfollow(self, answer: str) -> None:
        self._doorbell.unfollow(answer)

    async def aclose(self) -> None:
        """Idempotent."""
        await self._restorer.aclose()
        await self._doorbell.aclose()
        await asyncio.gather(self._writes.aclose(), self._reads.aclose())

    async def _create(self, new: NewAnswer) -> bool:
        arguments = (question_blob(new), new.epoch, new.user, _PENDING_MS)
        return bool(await scripts.CREATE.run(self._writes, [meta_key(new.answer), entries_key(new.answer)], *arguments))

    async def _send(self, claim: Claim, kept: Kept, lease_s: float) -> tuple[bytes, bytes, bytes]:
        """One try of an append: the verdict, whether to stop, the log's head."""
        verdict, stop, head = await scripts.APPEND.run(
            self._writes,
            [meta_key(claim.answer), entries_key(claim.answer)],
            claim.generation,
            claim.owner,
            kept.first,
            kept.head,
            kept.id,
            kept.blob,
            kept.seal or "",
            lease_s,
            self._now(),
            ring_channel(claim.answer),
            self._doorbell.changed(claim.answer, kept.head),
            kept.before,
            kept.after,
            self._retention.milliseconds,
        )
        return verdict, stop, head

    def _reopened(self) -> None:
        self._restorer.reconnected()

    def _expect_all(self) -> None:
        """What is not there now may still be put back by the node that has it."""
        if self._restorer.patient:
            raise LogUnavailable("Redis was started anew: its answers are being put back")

    async def _discard(self, answer: str, head: int) -> None:
        """The entries were evicted or lost; an answer without them must not pass for whole."""
        log.error("entries of an answer are gone", answer=answer, head=head)
        arguments = (head, uuid.uuid4().hex[:8], NEWS, self._doorbell.released(answer))
        if await scripts.DISCARD.run(self._writes, [meta_key(answer), entries_key(answer)], *arguments):
            meta = await self.meta(answer)
            if meta is not None:
                await self._index.look_at(meta.question, 0.0)

    async def _claimable(self, answer: str, place: bytes, now: float) -> AnswerMeta | None:
        """This answer of the index, if it can be claimed; if not, the index learns why."""
        meta = await self.meta(answer)
        if meta is None or meta.state.sealed:
            await self._index.forget_due(place)
            return None
        if meta.state is AnswerState.QUEUED or meta.lease_until < now:
            return meta
        await self._index.look_at(meta.question, meta.lease_until)
        return None

    async def _time(self) -> float:
        if self._clock is not None:
            return self._clock()
        seconds, micros = await self._reads.call("TIME")
        return int(seconds) + int(micros) / 1e6

    def _now(self) -> str:
        """What a script takes for the time; nothing means Redis's own."""
        return "" if self._clock is None else repr(self._clock())

    def _ring(self, ring: Ring) -> None:
        for listener in list(self._listeners):
            listener(ring)
