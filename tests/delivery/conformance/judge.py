"""A client that judges: it writes down everything that it says and is told, and can be cut at any frame.

It is written from `PROTOCOL.md` and imports nothing of any server or client, so that it can be pointed at every server
that speaks chat.v1.
"""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

from tests.delivery.conformance.journal import Direction, Frame, Journal, Log, Record

SUBPROTOCOL = "chat.v1"
WITHIN_S = 30.0
"""Nothing that is waited for takes longer; a server that lets it is judged to have lost it."""


class Closed(Exception):
    """The connection is over; `code` 1006 when there was no close frame."""

    def __init__(self, code: int) -> None:
        super().__init__(f"closed with {code}")
        self.code = code


class Refused(Exception):
    """A command failed with this error event."""

    def __init__(self, event: Frame) -> None:
        super().__init__(f"{event['code']}: {event['message']}")
        self.code = str(event["code"])
        self.retry_after_s = event.get("retry_after_ms", 0) / 1000


@dataclass(frozen=True, slots=True)
class Target:
    """A server to be judged. `script` makes the question whose answer has so many text entries, one every so many
    milliseconds."""

    url: str
    script: Callable[[int, int], str]
    headers: Mapping[str, str] = field(default_factory=dict)
    user: str = "anonymous"

    def question(self, tokens: int, delay_ms: int = 0) -> str:
        return self.script(tokens, delay_ms)


@dataclass(slots=True)
class Kept:
    """What the client has of an answer: entries 0 to `seq` of `epoch`."""

    chat: str
    epoch: str
    seq: int = -1
    ended: bool = False

    def cursor(self, answer: str) -> dict[str, Any]:
        return {"answer": answer, "epoch": self.epoch, "seq": self.seq}


class Judge:
    """One client with one connection at a time. `answers` is what it keeps, by answer id; `pending` the asks that were
    not accepted yet, by ask id."""

    def __init__(self, target: Target, name: str, *, complete: bool = True) -> None:
        self.target = target
        self.journal = Journal(name, target.user, complete)
        self.answers: dict[str, Kept] = {}
        self.accepted: dict[str, str] = {}
        self.pending: dict[str, Frame] = {}
        self.retry_after_s = 0.0
        self._refused: dict[str, Frame] = {}
        """The error events of pending asks that this connection has to tell again."""
        self._connection = -1
        self._socket: ClientConnection | None = None
        self._left: list[ClientConnection | None] = []

    async def connect(self, url: str | None = None) -> Frame:
        """Opens the next connection and returns its `welcome`. Raises `OSError`, `websockets.InvalidHandshake`."""
        self._socket = await websockets.connect(
            url or self.target.url,
            subprotocols=[websockets.Subprotocol(SUBPROTOCOL)],
            additional_headers=dict(self.target.headers),
            compression=None,
            max_size=None,
            max_queue=None,
            ping_interval=None,
            close_timeout=1,
            open_timeout=WITHIN_S,
            proxy=None,
        )
        self._connection += 1
        self._refused.clear()
        return await self.next("welcome")

    async def send(self, kind: str, **fields: Any) -> None:
        """Raises `Closed` when there is no connection."""
        frame = {"type": kind, **fields}
        if self._socket is None:
            raise Closed(1006)
        self._note("sent", frame)
        with suppress(websockets.ConnectionClosed):  # the next read tells
            await self._socket.send(json.dumps(frame))

    async def send_if_connected(self, kind: str, **fields: Any) -> None:
        with suppress(Closed):
            await self.send(kind, **fields)

    async def read(self, *, within_s: float = WITHIN_S) -> Frame:
        """The next event. Raises `Closed`, `TimeoutError`."""
        if self._socket is None:
            raise Closed(1006)
        try:
            async with asyncio.timeout(within_s):
                event: dict[str, Any] = json.loads(await self._socket.recv())
        except websockets.ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd is not None else 1006
            self._note("closed", {"code": code})
            self._socket = None
            raise Closed(code) from None
        self._note("got", event)
        self._keep(event)
        return event

    async def next(self, kind: str, *, within_s: float = WITHIN_S, **fields: Any) -> Frame:
        """The next event of that type with these fields; those before it are read on the way."""
        while True:
            event = await self.read(within_s=within_s)
            if event["type"] == kind and fields.items() <= event.items():
                return event

    async def ask(self, text: str, *, chat: str, id: str | None = None) -> str:
        """Sends the question, waits for `accepted`, returns the answer's id. Raises `Refused`."""
        ask_id = id or uuid.uuid4().hex
        self.pending[ask_id] = {"id": ask_id, "chat": chat, "text": text}
        await self.send("ask", **self.pending[ask_id])
        while ask_id not in self.accepted:
            event = await self.read()
            if event["type"] == "error" and event.get("id") == ask_id:
                raise Refused(event)
        return self.accepted[ask_id]

    async def resume(self, chat: str, cursors: list[dict[str, Any]] | None = None) -> Frame:
        """With the cursors of what it keeps of the chat and has not read to the end, or with those that are given.
        Raises `Refused`."""
        kept = {id: kept for id, kept in self.answers.items() if kept.chat == chat and not kept.ended}
        told = cursors if cursors is not None else [kept.cursor(id) for id, kept in kept.items()]
        await self.send("resume", chat=chat, cursors=told)
        while (event := await self.read())["type"] != "resumed":
            if event["type"] == "error" and "id" not in event and "answer" not in event:
                raise Refused(event)
        return event

    async def ended(self, *answers: str) -> None:
        """Reads until these answers, or all that it keeps, have ended."""
        while not all(kept.ended for id, kept in self.answers.items() if not answers or id in answers):
            await self.read()

    async def was_cut(self) -> bool:
        """Reads until all that it keeps has ended, or the connection has: whether it was the connection."""
        try:
            await self.ended()
        except Closed:
            return True
        return False

    async def entries(self, count: int) -> None:
        """Reads so many entries more."""
        for _ in range(count):
            await self.next("chunk")

    async def until(self, answer: str, seq: int) -> None:
        """Reads until it has entry `seq` of the answer."""
        while self.answers[answer].seq < seq:
            await self.read()

    async def settled(self) -> None:
        """Reads everything that was due before now."""
        id = uuid.uuid4().hex
        await self.send("ping", id=id)
        await self.next("pong", id=id)

    async def closed(self, *, within_s: float = WITHIN_S) -> int:
        """The close code, after whatever comes before the close."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    await self.read()
        except Closed as closed:
            return closed.code

    def cut(self) -> None:
        """The network goes away: no close frame, no more reading. Idempotent."""
        if self._socket is not None:
            self._socket.transport.abort()
            self._note("closed", {"code": 1006})
            self._socket = None

    def leave_open(self) -> None:
        """Never looks at this connection again, and does not close it either: the link hangs."""
        self._left.append(self._socket)
        self._note("closed", {"code": 1006})
        self._socket = None

    def lose_cursors(self) -> None:
        """As a page that was reloaded: it knows its chats and has nothing of their answers."""
        self.answers = {id: kept for id, kept in self.answers.items() if kept.ended}

    async def close(self) -> None:
        """Closes as a client that has done. Idempotent."""
        if self._socket is not None:
            await self._socket.close()
            self._note("closed", {"code": 1000})
            self._socket = None
        for left in self._left:
            if left is not None:
                left.transport.abort()

    async def come_back(self, *chats: str, within_s: float = WITHIN_S) -> None:
        """Reconnects until it is served, tells pending asks again and resumes these chats, as the protocol says."""
        async with asyncio.timeout(within_s):
            while True:
                try:
                    await self.connect()
                    await self._catch_up(chats)
                    return
                except (Closed, Refused, OSError, websockets.InvalidHandshake):
                    self.cut()
                    await asyncio.sleep(max(0.05, self.retry_after_s))
                    self.retry_after_s = 0.0

    async def finish(self, *chats: str, within_s: float = 2 * WITHIN_S) -> None:
        """Reads everything of these chats to its end, through as many connections as that takes."""
        async with asyncio.timeout(within_s):
            while not self.has_all():
                await self.step(*chats)

    def has_all(self) -> bool:
        """Everything that it asked was accepted, and what it keeps has ended."""
        return not self.pending and all(kept.ended for kept in self.answers.values())

    async def step(self, *chats: str) -> None:
        """Tells again what was refused, or reads one event of the connection; comes back when there is none."""
        try:
            if self._socket is None:
                await self.come_back(*chats)
            elif self._refused:
                await self._ask_again()
            else:
                await self.read()
        except (Closed, OSError, websockets.InvalidHandshake):
            self.cut()

    async def _catch_up(self, chats: tuple[str, ...]) -> None:
        for ask in list(self.pending.values()):
            await self.send("ask", **ask)
        for chat in chats:
            await self.resume(chat)

    async def _ask_again(self) -> None:
        id, error = self._refused.popitem()
        if id in self.pending:
            await asyncio.sleep(error["retry_after_ms"] / 1000)
            await self.send("ask", **self.pending[id])

    def _note(self, direction: Direction, frame: Frame) -> None:
        self.journal.records.append(Record(self._connection, time.monotonic(), direction, frame))

    def _keep(self, event: Frame) -> None:
        """What a client does with an event, after the table of `PROTOCOL.md`."""
        match event["type"]:
            case "accepted":
                self.pending.pop(event["id"], None)
                self.accepted[event["id"]] = event["answer"]
                self.answers.setdefault(event["answer"], Kept(event["chat"], event["epoch"]))
            case "resumed":
                for verdict in event["answers"]:
                    self._judged(event["chat"], verdict)
            case "chunk":
                kept = self.answers.get(event["answer"])
                if kept is not None and (kept.epoch, kept.seq + 1) == (event["epoch"], event["seq"]):
                    kept.seq += 1
            case "end":
                if (kept := self.answers.get(event["answer"])) is not None:
                    kept.ended = kept.seq == event["seq"]
            case "error" if event.get("id") in self.pending:
                self._refused[event["id"]] = event
            case "draining":
                self.retry_after_s = event["retry_after_ms"] / 1000

    def _judged(self, chat: str, verdict: Frame) -> None:
        match verdict["verdict"]:
            case "snapshot":
                self.answers[verdict["answer"]] = Kept(chat, verdict["epoch"])
            case "gone":
                self.answers.pop(verdict["answer"], None)


@asynccontextmanager
async def judge(target: Target, name: str = "judge", *, complete: bool = True) -> AsyncIterator[Judge]:
    """Connected; closed at the end."""
    client = Judge(target, name, complete=complete)
    await client.connect()
    try:
        yield client
    finally:
        await client.close()


async def read_back(target: Target, chats: Mapping[str, list[str]], *, within_s: float = WITHIN_S) -> dict[str, Log]:
    """The logs of these answers, by chat, as a client reads them that has nothing of them yet. An answer that is gone
    is left out, one that does not end in time is cut short."""
    entries: dict[str, list[Frame]] = {}
    states: dict[str, str] = {}
    client = Judge(target, "reader of the logs", complete=False)
    client.answers = {answer: Kept(chat, "none") for chat, answers in chats.items() for answer in answers}
    with suppress(TimeoutError):  # the checker tells what is missing
        await client.finish(*chats, within_s=within_s)
    await client.close()
    for event in client.journal.got("chunk"):
        if event["seq"] == len(entries.setdefault(event["answer"], [])):
            entries[event["answer"]].append(event["chunk"])
    for event in client.journal.got("end"):
        states[event["answer"]] = event["state"]
    return {
        id: Log(id, kept.epoch, states.get(id, "unsealed"), tuple(entries.get(id, ())), target.user)
        for id, kept in client.answers.items()
    }
