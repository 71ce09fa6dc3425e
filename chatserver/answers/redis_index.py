"""What lies in other slots than the answers: a user's chats and ask ids, the unsealed answers of all, stops by owner.

Only the ask ids decide anything (which answer is an ask's own). The rest says where to look; the answers' own metas say
what is so, and whoever finds an entry that is out of date corrects it.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from chatserver.answers.log import ChatPlace, ChatSummary
from chatserver.answers.meta import JOBS, AnswerMeta, NewAnswer
from chatserver.answers.redis_keys import (
    answer_of,
    due_key,
    due_key_of,
    due_member,
    entries_key,
    meta_key,
    stops_key,
    user_key,
)
from chatserver.answers.redis_scripts import ASK
from chatserver.redis.shards import Shards

_STOPS_S = 86_400


@dataclass(frozen=True, slots=True)
class Retention:
    """How long an ended answer is kept, 0 for ever, and how many a chat keeps."""

    seconds: float = 0.0
    answers: int = 1000

    @property
    def milliseconds(self) -> int:
        return round(self.seconds * 1000)


FOR_EVER: Final = Retention()


class RedisIndex:
    """Every method raises `LogUnavailable`."""

    def __init__(self, writes: Shards, reads: Shards, retention: Retention) -> None:
        self._writes = writes
        self._reads = reads
        self._retention = retention

    async def ask(self, new: NewAnswer) -> str:
        """The answer of this ask id: `new` itself, or the one that was first."""
        keys = [
            user_key(new.user, "ask", new.ask_id),
            user_key(new.user, "chat", new.chat),
            user_key(new.user, "chats"),
            user_key(new.user, "titles"),
        ]
        arguments = (new.answer, new.chat, repr(new.asked_at), new.text, self._retention.milliseconds)
        answer, *dropped = await ASK.run(self._writes, keys, *arguments, self._retention.answers)
        for old in dropped:
            await self._writes.call("UNLINK", meta_key(old.decode()), entries_key(old.decode()))
        return str(answer.decode())

    async def settle(self, new: NewAnswer) -> None:
        """The answer is its ask's own: it stays, and waits for an owner."""
        await asyncio.gather(
            self._writes.call("PERSIST", meta_key(new.answer)),
            self._writes.call("ZADD", due_key_of(new.answer), "NX", 0, due_member(new.asked_at, new.answer)),
        )

    async def look_at(self, new: NewAnswer, at: float) -> None:
        """When the answer may be without an owner; 0 means that it is."""
        await self._writes.call("ZADD", due_key_of(new.answer), repr(at), due_member(new.asked_at, new.answer))

    async def due(self, now: float, limit: int, *, jobs: bool) -> dict[str, bytes]:
        """Answers to look at, oldest question first, each with its place in the index."""
        key = due_key(jobs=jobs)
        queued, expired = await asyncio.gather(
            self._reads.call("ZRANGEBYSCORE", key, 0, 0, "LIMIT", 0, limit),
            self._reads.call("ZRANGEBYSCORE", key, "(0", f"({now!r}", "LIMIT", 0, limit),
        )
        return {answer_of(member): member for member in sorted({*queued, *expired})}

    async def of_ask(self, user: str, ask_id: str) -> str | None:
        known = await self._reads.call("GET", user_key(user, "ask", ask_id))
        return known.decode() if known else None

    async def forget_due(self, place: bytes) -> None:
        await self._writes.call("ZREM", due_key_of(answer_of(place)), place)

    async def note_stop(self, meta: AnswerMeta) -> None:
        if meta.owner is not None:
            key = stops_key(meta.owner)
            await asyncio.gather(
                self._writes.call("SADD", key, meta.answer), self._writes.call("EXPIRE", key, _STOPS_S)
            )

    async def stops(self, owner: str) -> list[str]:
        return [name.decode() for name in await self._reads.call("SMEMBERS", stops_key(owner))]

    async def forget_stops(self, owner: str, answers: list[str]) -> None:
        if answers:
            await self._writes.call("SREM", stops_key(owner), *answers)

    async def answers(self, user: str, chat: str) -> list[str]:
        """The chat's answers in the order of their creation."""
        return [name.decode() for name in await self._reads.call("LRANGE", user_key(user, "chat", chat), 0, -1)]

    async def chats(self, user: str, limit: int, after: ChatPlace | None) -> list[ChatSummary]:
        """Of one time the later names come first: Redis's own order, backwards."""
        key, latest = user_key(user, "chats"), "+inf" if after is None else repr(after.updated_at)
        places: list[ChatPlace] = []
        seen = 0
        while len(places) < limit:
            page = ("LIMIT", seen, limit + 1)
            used = await self._reads.call("ZREVRANGEBYSCORE", key, latest, "-inf", "WITHSCORES", *page)
            named = [ChatPlace(float(at), chat.decode()) for chat, at in zip(used[::2], used[1::2], strict=True)]
            places += [place for place in named if place.chat != JOBS and (after is None or place < after)]
            seen += len(named)
            if len(named) <= limit:
                break
        return list(await asyncio.gather(*(self._summary(user, place) for place in places[:limit])))

    async def _summary(self, user: str, place: ChatPlace) -> ChatSummary:
        chat = place.chat
        title, answers = await asyncio.gather(
            self._reads.call("HGET", user_key(user, "titles"), chat),
            self._reads.call("LLEN", user_key(user, "chat", chat)),
        )
        known = b"" if title is None else title  # erased or expired meanwhile, or an erasure of this user was cut off
        return ChatSummary(chat, known.decode().partition(" ")[2], place.updated_at, answers)
