"""The answer log on Redis: many nodes on one log.

Theory of operation
    An answer is a hash and a stream in one slot; a script appends to both under the fence (`lua/append.lua`). What
    lies in other slots (a user's chats, the index of unsealed answers) is only an index to that: written before or
    after it, repaired by whoever comes upon a difference, never asked for the truth. The clock of leases is Redis's.

    The index of unsealed answers holds, for each, when to look at it next: at once when it is queued, else when its
    lease would end that was known last. Appends and renewals don't touch it: who looks finds the lease extended, and
    writes the new time.

    A process has three connections, however many chats: one for writes, one for reads, one that hears the doorbell.

What survives is Redis's affair: see `docs/redis.md`.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from chatserver.answers import redis_scripts as scripts
from chatserver.answers.log import (
    Appended,
    Batch,
    ChatSummary,
    Claim,
    Conflict,
    Fenced,
    Listener,
    LogUnavailable,
    Ring,
)
from chatserver.answers.meta import AnswerMeta, NewAnswer
from chatserver.answers.redis_keys import (
    DUE,
    MARK,
    META,
    NEWS,
    answer_of,
    due_member,
    entries_key,
    meta_key,
    meta_of,
    question_blob,
    ring_channel,
    stops_key,
    user_key,
)
from chatserver.answers.redis_link import Address, RedisLink
from chatserver.answers.states import AnswerState

PAGE_BYTES = 1 << 20
_PENDING_MS = 3_600_000
_STOPS_S = 86_400


class RedisAnswerLog:
    def __init__(self, address: Address, *, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock
        self._writes = RedisLink(address)
        self._reads = RedisLink(address)
        self._listeners: dict[Listener, Callable[[], bool]] = {}

    @classmethod
    async def open(cls, url: str, *, clock: Callable[[], float] | None = None) -> Self:
        """`clock` takes the place of Redis's own. Raises `LogUnavailable` when Redis does not answer, `ValueError` for
        a URL that is none."""
        log = cls(Address.parse(url), clock=clock)
        try:
            await log._writes.open()
            await log._reads.open()
        except LogUnavailable:
            await log.aclose()
            raise
        return log

    async def create(self, new: NewAnswer) -> tuple[AnswerMeta, bool]:
        made, answer = await asyncio.gather(self._create(new), self._ask(new))
        if answer == new.answer:
            await self._settle(new)
            return AnswerMeta(new, AnswerState.QUEUED, 0, None, 0, -1, False, 0.0), True
        if made:
            await self._writes.call("DEL", meta_key(new.answer))
        meta = await self.meta(answer)
        assert meta is not None
        return meta, False

    async def claim(self, answer: str, owner: str, lease_s: float) -> tuple[Claim, AnswerMeta] | None:
        got = await scripts.CLAIM.run(self._writes, [meta_key(answer)], owner, lease_s, self._now())
        meta = meta_of(got[0]) if got else None
        if meta is None:
            return None
        await self._look_at(meta, meta.lease_until)
        if meta.stop_requested:
            await self._note_stop(meta)
        return Claim(answer, meta.generation, owner), meta

    async def renew(self, claim: Claim, lease_s: float) -> bool:
        stop = await scripts.RENEW.run(
            self._writes, [meta_key(claim.answer)], claim.generation, claim.owner, lease_s, self._now()
        )
        if stop is None:
            raise Fenced(claim.answer)
        return bool(stop == b"1")

    async def append(self, claim: Claim, batch: Batch, lease_s: float) -> Appended:
        head = batch.expected_head + len(batch.entries)
        verdict, stop, at = await scripts.APPEND.run(
            self._writes,
            [meta_key(claim.answer), entries_key(claim.answer)],
            claim.generation,
            claim.owner,
            batch.expected_head,
            head,
            batch.id,
            b"\n".join(batch.entries),
            batch.seal or "",
            lease_s,
            self._now(),
            ring_channel(claim.answer),
            f"{claim.answer} {head}",
            "",
            "",
        )
        match verdict:
            case b"ok":
                self._ring(Ring(claim.answer, batch.expected_head, batch.entries, batch.seal))
                return Appended(head, stop == b"1")
            case b"conflict":
                raise Conflict(f"head is {int(at)}, not {batch.expected_head}")
            case _:
                raise Fenced(claim.answer)

    async def release(self, claim: Claim) -> None:
        done = await scripts.RELEASE.run(
            self._writes, [meta_key(claim.answer)], claim.generation, claim.owner, NEWS, claim.answer
        )
        if not done:
            raise Fenced(claim.answer)
        meta = await self.meta(claim.answer)
        if meta is not None:
            await self._look_at(meta, 0.0)
        self._ring(Ring(claim.answer))

    async def request_stop(self, user: str, answer: str) -> AnswerMeta | None:
        meta = meta_of(await scripts.STOP.run(self._writes, [meta_key(answer)], user, NEWS, answer))
        if meta is not None and not meta.state.sealed:
            await self._note_stop(meta)
            self._ring(Ring(answer))
        return meta

    async def acknowledge(self, user: str, answer: str, seq: int) -> AnswerMeta | None:
        return meta_of(await scripts.ACKNOWLEDGE.run(self._writes, [meta_key(answer)], user, seq))

    async def meta(self, answer: str) -> AnswerMeta | None:
        return meta_of(await self._reads.call("HMGET", meta_key(answer), *META))

    async def read(self, answer: str, first: int, limit: int) -> list[bytes]:
        got = await scripts.READ.run(self._reads, [meta_key(answer), entries_key(answer)], first, limit, PAGE_BYTES)
        return _entries(got[1], first, limit) if got else []

    async def chat(self, user: str, chat: str, *, undelivered: bool = False) -> list[AnswerMeta]:
        answers = await self._reads.call("LRANGE", user_key(user, "chat", chat), 0, -1)
        metas = await asyncio.gather(*(self.meta(answer.decode()) for answer in answers))
        there = [meta for meta in metas if meta is not None and not (undelivered and meta.delivered)]
        return sorted(there, key=lambda meta: meta.question.asked_at)

    async def chats(self, user: str, limit: int) -> list[ChatSummary]:
        used = await self._reads.call("ZREVRANGE", user_key(user, "chats"), 0, limit - 1, "WITHSCORES")
        return list(
            await asyncio.gather(
                *(self._summary(user, chat.decode(), float(at)) for chat, at in zip(used[::2], used[1::2], strict=True))
            )
        )

    async def claimable(self, limit: int) -> list[str]:
        now = await self._time()
        queued, expired = await asyncio.gather(
            self._reads.call("ZRANGEBYSCORE", DUE, 0, 0, "LIMIT", 0, limit),
            self._reads.call("ZRANGEBYSCORE", DUE, "(0", f"({now!r}", "LIMIT", 0, limit),
        )
        members = sorted({*queued, *expired})
        claimable = await asyncio.gather(*(self._judge(member, now) for member in members))
        return [answer_of(member) for member, can in zip(members, claimable, strict=True) if can][:limit]

    async def stop_requests(self, owner: str) -> list[str]:
        answers = [name.decode() for name in await self._reads.call("SMEMBERS", stops_key(owner))]
        metas = await asyncio.gather(*map(self.meta, answers))
        mine = {meta.answer for meta in metas if meta is not None and meta.stop_requested and meta.owner == owner}
        if old := [answer for answer in answers if answer not in mine]:
            await self._writes.call("SREM", stops_key(owner), *old)
        return [answer for answer in answers if answer in mine]

    async def mark(self, answer: str, marks: Mapping[str, float]) -> None:
        named = [part for name, at in marks.items() for part in (f"{MARK}{name}", repr(at))]
        await scripts.MARK.run(self._writes, [meta_key(answer)], *named)

    async def timeline(self, answer: str) -> dict[str, float]:
        values = await self._reads.call("HGETALL", meta_key(answer))
        pairs = zip(values[::2], values[1::2], strict=True)
        marks = {name.decode().removeprefix(MARK): float(at) for name, at in pairs if name.startswith(MARK.encode())}
        return dict(sorted(marks.items(), key=lambda mark: mark[1]))

    def listen(self, listener: Listener, interested: Callable[[], bool]) -> Callable[[], None]:
        self._listeners[listener] = interested
        return lambda: self._listeners.pop(listener, None) and None

    async def aclose(self) -> None:
        """Idempotent."""
        await asyncio.gather(self._writes.aclose(), self._reads.aclose())

    async def _create(self, new: NewAnswer) -> bool:
        return bool(
            await scripts.CREATE.run(
                self._writes, [meta_key(new.answer)], question_blob(new), new.epoch, new.user, _PENDING_MS
            )
        )

    async def _ask(self, new: NewAnswer) -> str:
        keys = [
            user_key(new.user, "ask", new.ask_id),
            user_key(new.user, "chat", new.chat),
            user_key(new.user, "chats"),
            user_key(new.user, "titles"),
        ]
        answer = await scripts.ASK.run(self._writes, keys, new.answer, new.chat, repr(new.asked_at), new.text, 0)
        return str(answer.decode())

    async def _settle(self, new: NewAnswer) -> None:
        await asyncio.gather(
            self._writes.call("PERSIST", meta_key(new.answer)),
            self._writes.call("ZADD", DUE, "NX", 0, due_member(new.asked_at, new.answer)),
        )

    async def _look_at(self, meta: AnswerMeta, at: float) -> None:
        await self._writes.call("ZADD", DUE, repr(at), due_member(meta.question.asked_at, meta.answer))

    async def _note_stop(self, meta: AnswerMeta) -> None:
        if meta.owner is not None:
            key = stops_key(meta.owner)
            await asyncio.gather(
                self._writes.call("SADD", key, meta.answer), self._writes.call("EXPIRE", key, _STOPS_S)
            )

    async def _judge(self, member: bytes, now: float) -> bool:
        """Whether this member of the index can be claimed; if not, the index learns why."""
        meta = await self.meta(answer_of(member))
        if meta is None or meta.state.sealed:
            await self._writes.call("ZREM", DUE, member)
            return False
        if meta.state is AnswerState.QUEUED or meta.lease_until < now:
            return True
        await self._look_at(meta, meta.lease_until)
        return False

    async def _summary(self, user: str, chat: str, updated_at: float) -> ChatSummary:
        title, answers = await asyncio.gather(
            self._reads.call("HGET", user_key(user, "titles"), chat),
            self._reads.call("LLEN", user_key(user, "chat", chat)),
        )
        return ChatSummary(chat, title.decode().partition(" ")[2], updated_at, answers)

    async def _time(self) -> float:
        if self._clock is not None:
            return self._clock()
        seconds, micros = await self._reads.call("TIME")
        return int(seconds) + int(micros) / 1e6

    def _now(self) -> str:
        return "" if self._clock is None else repr(self._clock())

    def _ring(self, ring: Ring) -> None:
        for listener in list(self._listeners):
            listener(ring)


def _entries(batches: Sequence[Any], first: int, limit: int) -> list[bytes]:
    """The entries from seq `first` on of stream entries that hold it."""
    entries: list[bytes] = []
    for id, fields in batches:
        batch = fields[3].split(b"\n")
        batch_first = int(id.partition(b"-")[0]) - len(batch)
        entries += batch[max(0, first - batch_first) :]
        if len(entries) >= limit:
            break
    return entries
