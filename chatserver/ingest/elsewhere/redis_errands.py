"""Errands over Redis: asked by workers on any machine, done by the keepers of a data directory.

Theory of operation
    An errand's bytes lie in a list of their own, in blocks, and expire: what was given up is not begun any more. Its
    name goes to the list of its directory, which any keeper there takes it from; so several share the work. Answers go
    to the one list of who has asked, in blocks too. While an errand is under way its keeper says so every second;
    one that is not heard of for `silence_s` counts as dead, and the errand is asked again by whoever needs it.

    What lies in Redis at any time is what is being asked: nothing of an errand stays when it is done.
"""

import asyncio
import itertools
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Self

import orjson
import structlog

from chatserver.ingest.elsewhere.errands import LARGEST, DirectoryAway, Refused, TooLarge
from chatserver.redis.address import Address
from chatserver.redis.errors import RedisUnavailable
from chatserver.redis.shards import Shards
from retrieval.errors import DimensionMismatch, InvalidText, Permanent, RetrievalError, Temporary

log = structlog.get_logger(__name__)

SILENCE_S: Final = 30.0
_BEAT_S: Final = 1.0
_LISTEN_S: Final = 2  # of one call: a connection that is silent for longer than that is dead
_AGAIN_S: Final = 0.2
_PART: Final = 1 << 20
_AT_ONCE: Final = 8
_KINDS: Final[Mapping[str, type[Permanent]]] = {kind.code: kind for kind in (DimensionMismatch, InvalidText)}
"""Those that ports promise by their type."""

Do = Callable[[str, bytes], Awaitable[bytes]]
"""Does an errand of this name. Raises `RetrievalError`."""


def _waiting(home: str) -> str:
    return f"cs:errands:{home}"


def _body(errand: str) -> str:
    return f"cs:errand:{errand}"


def _answers(asker: str) -> str:
    return f"cs:errand:told:{asker}"


@dataclass(slots=True)
class _Asked:
    """An errand that somebody here waits for."""

    told: "asyncio.Future[bytes]"
    heard_at: float
    parts: list[bytes] = field(default_factory=list)


class RedisErrands:
    """`await RedisErrands.open(url)`; `aclose` ends it. It opens whether Redis is there or not."""

    def __init__(self, address: Address, shards: Shards, silence_s: float) -> None:
        self._address = address
        self._shards = shards
        self._silence_s = silence_s
        self._keep_ms = int(silence_s * 1_000)
        self._me = uuid.uuid4().hex
        self._numbers = itertools.count()
        self._asked: dict[str, _Asked] = {}
        self._listening: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, url: str, *, silence_s: float = SILENCE_S) -> Self:
        address = Address.parse(url)
        shards = Shards(address, report=False)
        await shards.open(required=False)
        return cls(address, shards, silence_s)

    async def aclose(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        await self._shards.aclose()

    async def waiting(self, home: str) -> bool:
        """Whether an errand waits for a keeper of this directory. Raises `RedisUnavailable`."""
        return bool(await self._shards.call("EXISTS", _waiting(home)))

    async def ask(self, home: str, errand: str, body: bytes) -> bytes:
        if self._listening is None or self._listening.done():
            self._listening = asyncio.create_task(self._listen(), name="errands: answers")
        id = f"{self._me}-{next(self._numbers)}"
        loop = asyncio.get_running_loop()
        asked = self._asked[id] = _Asked(loop.create_future(), loop.time())
        try:
            await self._write(_body(id), body)
            note = orjson.dumps({"id": id, "errand": errand, "asker": self._me, "size": len(body)})
            await self._shards.call("RPUSH", _waiting(home), note)
            await self._shards.call("PEXPIRE", _waiting(home), self._keep_ms)
            return await self._told(asked)
        except RedisUnavailable as error:
            raise DirectoryAway(f"errands can't be asked: {error}") from error
        finally:
            del self._asked[id]
            asked.told.cancel()
            with suppress(RedisUnavailable):
                await self._shards.call("UNLINK", _body(id))

    async def keep(self, home: str, do: Do, at_work: Callable[[], None] = lambda: None) -> None:
        """Does what is asked of this directory, some at once, until it is cancelled; what is under way then is
        given back, for its asker to ask again. `at_work` is called whenever there is something to do."""
        slots = asyncio.Semaphore(_AT_ONCE)
        async with aclosing(self._heard(_waiting(home))) as notes, asyncio.TaskGroup() as group:
            while True:
                await slots.acquire()
                note = await anext(notes)
                at_work()
                task = group.create_task(self._attend(orjson.loads(note), do, at_work))
                task.add_done_callback(lambda _: slots.release())

    async def _heard(self, key: str) -> AsyncGenerator[bytes, None]:
        """What comes to this list, as long as somebody asks for more. A call that waits at Redis keeps its connection
        to itself."""
        ear = Shards(self._address, report=False)
        try:
            await ear.open(required=False)
            while True:
                try:
                    if taken := await ear.call("BLPOP", key, _LISTEN_S):
                        yield bytes(taken[1])
                except RedisUnavailable:
                    await asyncio.sleep(_AGAIN_S)
        finally:
            await ear.aclose()

    async def _attend(self, note: dict[str, Any], do: Do, at_work: Callable[[], None]) -> None:
        id, asker = note["id"], note["asker"]
        try:
            body = await self._read(_body(id))
            if body is None or len(body) != note["size"]:  # its asker has given it up
                return
            beating = asyncio.create_task(self._beat(id, asker, at_work))
            try:
                head, told = await _done(do, note["errand"], body)
            finally:
                beating.cancel()
                await asyncio.gather(beating, return_exceptions=True)
            await self._tell(id, asker, head, told)
        except asyncio.CancelledError:
            await self._hand_back(id, asker)
            raise
        except RedisUnavailable as error:
            log.warning("errand not answered", errand=note["errand"], error=str(error))

    async def _hand_back(self, id: str, asker: str) -> None:
        """Rather than let its asker wait for a keeper that has ended."""
        told = {
            "state": "failed",
            "code": DirectoryAway.code,
            "message": "its keeper ends",
            "again": True,
            "wait": None,
        }
        with suppress(RedisUnavailable, TimeoutError):
            async with asyncio.timeout(_BEAT_S):
                await self._tell(id, asker, told, b"")

    async def _beat(self, id: str, asker: str, at_work: Callable[[], None]) -> None:
        while True:
            with suppress(RedisUnavailable):
                await self._push(asker, {"id": id, "state": "busy"}, b"")
            at_work()
            await asyncio.sleep(_BEAT_S)

    async def _tell(self, id: str, asker: str, told: dict[str, Any], body: bytes) -> None:
        for at in range(0, len(body), _PART):
            await self._push(asker, {"id": id, "state": "part", "at": at}, body[at : at + _PART])
        await self._push(asker, {"id": id, "size": len(body), **told}, b"")

    async def _push(self, asker: str, head: dict[str, Any], part: bytes) -> None:
        await self._shards.call("RPUSH", _answers(asker), orjson.dumps(head) + b"\n" + part)
        await self._shards.call("PEXPIRE", _answers(asker), self._keep_ms)

    async def _listen(self) -> None:
        async with aclosing(self._heard(_answers(self._me))) as messages:
            async for message in messages:
                self._hear(message)

    def _hear(self, message: bytes) -> None:
        line, _, part = message.partition(b"\n")
        head = orjson.loads(line)
        asked = self._asked.get(head["id"])
        if asked is None or asked.told.done():
            return
        asked.heard_at = asyncio.get_running_loop().time()
        if head["state"] == "part":
            asked.parts.append(part)
        elif head["state"] == "done":
            body = b"".join(asked.parts)
            if len(body) == head["size"]:
                asked.told.set_result(body)
            else:
                asked.told.set_exception(DirectoryAway("an answer has come in part"))
        elif head["state"] == "failed":
            asked.told.set_exception(_error(head))

    async def _told(self, asked: _Asked) -> bytes:
        loop = asyncio.get_running_loop()
        while not asked.told.done():
            left = asked.heard_at + self._silence_s - loop.time()
            if left <= 0:
                raise DirectoryAway(f"nobody has answered for {self._silence_s:.0f} s")
            await asyncio.wait({asked.told}, timeout=left)
        return asked.told.result()

    async def _write(self, key: str, body: bytes) -> None:
        for at in range(0, max(1, len(body)), _PART):
            await self._shards.call("RPUSH", key, body[at : at + _PART])
            await self._shards.call("PEXPIRE", key, self._keep_ms)

    async def _read(self, key: str) -> bytes | None:
        parts: list[bytes] = []
        while (part := await self._shards.call("LPOP", key)) is not None:
            parts.append(part)
        return b"".join(parts) if parts else None


async def _done(do: Do, errand: str, body: bytes) -> tuple[dict[str, Any], bytes]:
    """How it went, and what there is to tell."""
    try:
        told = await do(errand, body)
        if len(told) > LARGEST:
            raise TooLarge(f"{errand}: {len(told)} bytes are too many for a worker on another machine")
        return {"state": "done"}, told
    except Temporary as error:
        wait = error.retry_after_s
        return {"state": "failed", "code": error.code, "message": str(error), "again": True, "wait": wait}, b""
    except RetrievalError as error:
        return {"state": "failed", "code": error.code, "message": str(error), "again": False}, b""
    except Exception:
        log.exception("errand failed", errand=errand)
        return {"state": "failed", "code": "internal", "message": "a bug at the data directory", "again": False}, b""


def _error(head: dict[str, Any]) -> RetrievalError:
    if not head["again"]:
        kind = _KINDS.get(head["code"])
        return kind(head["message"]) if kind else Refused(head["code"], head["message"])
    error = Temporary(head["message"], retry_after_s=head["wait"])
    error.code = head["code"]
    return error
