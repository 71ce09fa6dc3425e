"""The client: one connection at a time, kept up for as long as it is wanted.

Theory of operation
    What is wanted is state, not messages: questions not yet accepted, chats with answers under way, stops and
    acknowledgements. Each command is sent once on the connection of the moment, and everything still wanted is told
    again to the next one. Every command may be repeated (`ask` by its id), so nothing needs to be known of what the
    lost connection had still carried. One task reads, for one connection after another.
"""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from uuid import uuid4
from weakref import WeakValueDictionary

from chatserver.client.backoff import LATER_ATTEMPT, Backoff, Reaction, reaction
from chatserver.client.connection import Connection, open_connection
from chatserver.client.errors import ClientError, Closed, Refused, Rejected, Unreachable
from chatserver.client.events import (
    Accepted,
    Cursor,
    Draining,
    End,
    Event,
    Fault,
    Other,
    Resumed,
    Told,
    Welcome,
)
from chatserver.client.feed import Step
from chatserver.client.http import ChatSummary, Doors
from chatserver.client.stream import AnswerStream
from chatserver.client.token import Token
from chatserver.client.transcript import Answer

logger = logging.getLogger("chatserver.client")


class Client:
    """`async with Client("http://127.0.0.1:8000") as client: …`

    Entering connects once: `Unreachable` or `Refused` when that fails. After that a lost connection comes back by
    itself, and answers go on where they were. `token` proves who asks, where the server has logins; a function is
    called for each connection and gives one that has not expired. `random` is uniform over [0, 1), `sleep` takes
    seconds, `new_id` makes ids of questions and chats; a test gives its own.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | Callable[[], str] | None = None,
        backoff: Backoff | None = None,
        timeout_s: float = 10.0,
        random: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        new_id: Callable[[], str] = lambda: uuid4().hex,
    ) -> None:
        self.url = url.rstrip("/")
        self._backoff = backoff or Backoff()
        self._timeout_s = timeout_s
        self._random = random
        self._sleep = sleep
        self._clock = clock
        self._new_id = new_id
        self._token = Token(token)
        self._doors = Doors(self.url, self._token, timeout_s=timeout_s)
        self._connection: Connection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._failure: ClientError | None = None
        # A stream that nobody holds any more wants nothing.
        self._asking: WeakValueDictionary[str, AnswerStream] = WeakValueDictionary()
        self._streams: WeakValueDictionary[str, AnswerStream] = WeakValueDictionary()
        self._resuming: tuple[str, asyncio.Future[list[AnswerStream]]] | None = None
        self._one_resume = asyncio.Lock()
        self._catching_up: set[str] = set()
        self._unsent_acks: dict[str, int] = {}
        self._retry_after_s: float | None = None
        self._attempt = 0

    async def __aenter__(self) -> Self:
        self._connection = await open_connection(self.url, self._token, timeout_s=self._timeout_s)
        self._reader = asyncio.create_task(self._run(self._connection))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends the connection; answers under way go on at the server. Streams still iterated raise `Closed`."""
        self._fail(Closed("the client is closed"))
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader])
        if self._connection is not None:
            await self._connection.aclose()
        await self._doors.aclose()
        if self._reader is not None and not self._reader.cancelled():
            self._reader.result()  # a bug in the reader is not hidden

    def ask(
        self,
        text: str,
        *,
        chat: str | None = None,
        id: str | None = None,
        namespace: str = "",
        filter: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        after: str | None = None,
    ) -> AnswerStream:
        """The answer to `text`, in `chat` or in a new one. `id` is the idempotency key: the same one again gives the
        same answer, also from another process. `after` is the answer that the question follows, empty to begin the
        chat anew: so an edited question branches; without it, the newest."""
        question: dict[str, Any] = {
            "type": "ask",
            "id": id or self._new_id(),
            "chat": chat or self._new_id(),
            "text": text,
        }
        optional = {"namespace": namespace, "filter": filter, "options": options}
        question |= {name: value for name, value in optional.items() if value}
        question |= {} if after is None else {"after": after}
        return AnswerStream(self, chat=question["chat"], question=question)

    async def resume(self, chat: str, *, cursors: Sequence[Cursor] = ()) -> list[AnswerStream]:
        """The chat's unfinished and unacknowledged answers, oldest first, and those of `cursors`. An answer with a
        cursor goes on after it (its `answer` then shows only what follows), the others begin at their start."""
        async with self._one_resume:
            seeded = [
                AnswerStream(self, chat=chat, answer=cursor.answer, cursor=cursor)
                for cursor in cursors
                if cursor.answer not in self._streams
            ]
            self._streams.update((stream.id, stream) for stream in seeded)
            self._resuming = (chat, asyncio.get_running_loop().create_future())
            try:
                await self.send(self._resume_command(chat))
                return await self._resuming[1]
            finally:
                self._resuming = None

    async def answer(self, id: str) -> Answer:
        """An answer as it stands, whole or not. Raises `Rejected` (`not_found`)."""
        return await self._doors.answer(id)

    async def answers(self, chat: str) -> list[Answer]:
        """A chat's answers, oldest first."""
        return await self._doors.answers(chat)

    def chats(self) -> AsyncIterator[ChatSummary]:
        """The user's chats, last used first; fetched page by page as they are read."""
        return self._doors.chats()

    async def search(self, text: str, *, top_k: int | None = None, namespace: str = "") -> list[dict[str, Any]]:
        """Passages, best first: `{"id", "title", "text", "score", "why"}` each."""
        return await self._doors.search(text, top_k=top_k, namespace=namespace)

    async def delete(self, id: str, *, collection: str | None = None, namespace: str = "") -> bool:
        """Takes a document out, or a record of a collection; False when there is none."""
        return await self._doors.delete(id, collection=collection, namespace=namespace)

    async def graph(
        self,
        entity: str | None = None,
        *,
        answer: str | None = None,
        hops: int = 1,
        limit: int = 50,
        namespace: str = "",
    ) -> dict[str, Any]:
        """What is around an entity, or how the sources of an answer were reached: the document of `GET /v1/graph`.
        Raises `Rejected` (`not_found`, `unknown_answer`)."""
        return await self._doors.graph(
            {"entity": entity, "answer": answer, "hops": hops, "limit": limit, "namespace": namespace}
        )

    # What streams need (`chatserver.client.stream.Link`).

    async def open(self, stream: AnswerStream) -> None:
        if stream.question is not None:
            self._asking[stream.question["id"]] = stream
            await self.send(stream.question)

    async def send(self, command: Mapping[str, Any]) -> None:
        if self._failure is not None:
            raise self._failure
        if self._connection is not None:
            await self._connection.send(command)

    async def pause(self, seconds: float) -> None:
        await self._sleep(seconds)

    async def catch_up(self, chat: str) -> None:
        if chat not in self._catching_up:
            self._catching_up.add(chat)
            await self.send(self._resume_command(chat))

    async def acknowledge(self, answer: str, seq: int) -> None:
        self._streams.pop(answer, None)
        if self._connection is None:
            self._unsent_acks[answer] = seq
        else:
            await self._connection.send({"type": "ack", "answer": answer, "seq": seq})

    # The reader.

    async def _run(self, connection: Connection) -> None:
        try:
            while True:
                while (event := await connection.receive()) is not None:
                    await self._handle(event)
                self._connection = None
                connection = self._connection = await self._reconnect(connection)
                await self._tell_what_is_wanted(connection)
        except ClientError as error:
            self._fail(error)
        except Exception:
            self._fail(ClientError("the client itself failed"))
            raise

    async def _reconnect(self, lost: Connection) -> Connection:
        match reaction(lost.close_code):
            case Reaction.END:
                raise Closed(f"the server ended the conversation ({lost.close_code} {lost.close_reason})")
            case Reaction.AUTHENTICATE if self._token.can_change:
                pass
            case Reaction.GIVE_UP | Reaction.AUTHENTICATE:
                raise Refused(f"the server refused this client ({lost.close_code} {lost.close_reason})")
            case Reaction.RECONNECT_LATER:
                self._attempt = max(self._attempt, LATER_ATTEMPT)
        logger.info("connection lost (%d), reconnecting", lost.close_code)
        since = self._clock()
        while True:
            await self._sleep(self._delay())
            try:
                return await open_connection(self.url, self._token, timeout_s=self._timeout_s)
            except Unreachable as error:
                self._retry_after_s = error.retry_after_s
                limit = self._backoff.give_up_after_s
                if limit is not None and self._clock() - since >= limit:
                    raise

    def _delay(self) -> float:
        """What the server asked for, once; else full jitter."""
        told, self._retry_after_s = self._retry_after_s, None
        delay = self._backoff.delay(self._attempt, self._random) if told is None else told
        self._attempt += 1
        return delay

    async def _tell_what_is_wanted(self, connection: Connection) -> None:
        for stream in list(self._asking.values()):
            if stream.question is not None:
                await connection.send(stream.question)
        streams = list(self._streams.values())
        self._catching_up = {stream.chat for stream in streams if not stream.feed.sealed}
        for chat in self._catching_up | ({self._resuming[0]} if self._resuming else set()):
            await connection.send(self._resume_command(chat))
        for stream in streams:
            if stream.stop_wanted and not stream.feed.sealed:
                await connection.send({"type": "stop", "answer": stream.id})
        while self._unsent_acks:
            answer, seq = self._unsent_acks.popitem()
            await connection.send({"type": "ack", "answer": answer, "seq": seq})

    def _resume_command(self, chat: str) -> dict[str, Any]:
        cursors = [stream.cursor for stream in list(self._streams.values()) if stream.chat == chat]
        return {
            "type": "resume",
            "chat": chat,
            "cursors": [{"answer": c.answer, "epoch": c.epoch, "seq": c.seq} for c in cursors],
        }

    async def _handle(self, event: Event) -> None:
        self._attempt = 0  # the server doesn't only accept connections, it speaks
        match event:
            case Told():
                await self._told(event)
            case Accepted():
                await self._accepted(event)
            case End():
                stream = self._streams.get(event.answer)
                if stream is not None and stream.misses(event.seq):
                    await self.catch_up(stream.chat)
            case Resumed():
                self._resumed(event)
            case Draining():
                self._retry_after_s = event.retry_after_s
            case Fault():
                self._refused(event)
            case Welcome() | Other():
                pass

    async def _told(self, told: Told) -> None:
        stream = self._streams.get(told.answer)
        if stream is not None and stream.offer(told) is Step.GAP:
            await self.catch_up(stream.chat)

    async def _accepted(self, accepted: Accepted) -> None:
        stream = self._asking.pop(accepted.id, None)
        if stream is None:
            return
        stream.accept(accepted.answer, accepted.epoch)
        self._streams[accepted.answer] = stream
        if stream.stop_wanted:
            await stream.stop()

    def _resumed(self, resumed: Resumed) -> None:
        self._catching_up.discard(resumed.chat)
        explicit = self._resuming is not None and self._resuming[0] == resumed.chat
        streams = []
        for told in resumed.answers:
            stream = self._streams.get(told.answer)
            if stream is None and explicit and told.verdict != "gone":
                stream = AnswerStream(self, chat=resumed.chat, answer=told.answer)
                self._streams[told.answer] = stream
            if stream is not None:
                stream.resumed(told)
                streams.append(stream)
        if self._resuming is not None and explicit and not self._resuming[1].done():
            self._resuming[1].set_result(streams)

    def _refused(self, fault: Fault) -> None:
        stream = self._asking.get(fault.id) if fault.id else self._streams.get(fault.answer or "")
        if stream is None:
            logger.warning("the server reports %s: %s", fault.code, fault.message)
        elif fault.retry_after_s is not None:
            stream.retry(fault)
        else:
            stream.fail(Rejected(fault.code, fault.message))

    def _fail(self, error: ClientError) -> None:
        self._failure = self._failure or error
        for stream in [*self._asking.values(), *self._streams.values()]:
            stream.fail(error)
        if self._resuming is not None and not self._resuming[1].done():
            self._resuming[1].set_exception(error)
