"""The client without `await`: the asynchronous one, on an event loop in a thread of its own.

It may be used where a loop runs already, as in a notebook; a call then blocks that loop, as any synchronous one does.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from chatserver.client.background import BackgroundLoop
from chatserver.client.client import Client
from chatserver.client.events import Cursor
from chatserver.client.http import ChatSummary
from chatserver.client.stream import AnswerStream, Entry
from chatserver.client.transcript import Answer


class SyncAnswerStream:
    """Iterate to get every entry once, in order; see `AnswerStream`. In a notebook it shows the answer so far."""

    def __init__(self, loop: BackgroundLoop, stream: AnswerStream) -> None:
        self._loop = loop
        self._stream = stream

    @property
    def id(self) -> str:
        """The answer's id; empty until the question is accepted."""
        return self._stream.id

    @property
    def answer(self) -> Answer:
        """What the entries taken so far show."""
        return self._stream.answer

    @property
    def cursor(self) -> Cursor:
        return self._stream.cursor

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Entry:
        entry = self._loop.run(self._next())
        if entry is None:
            raise StopIteration
        return entry

    def result(self) -> Answer:
        """The whole answer, when it is sealed."""
        return self._loop.run(self._stream.result())

    def stop(self) -> None:
        """Ends the generation; its text stays."""
        self._loop.run(self._stream.stop())

    def _repr_markdown_(self) -> str:
        return self.answer._repr_markdown_()

    async def _next(self) -> Entry | None:
        """A `StopAsyncIteration` can't leave a task."""
        return await anext(self._stream, None)


class SyncClient:
    """`with SyncClient("http://127.0.0.1:8000") as client: …`; what it takes and raises is `Client`'s. In a notebook,
    where a `with` block is in the way, `client = SyncClient(…).open()` and `client.close()` do the same."""

    def __init__(self, url: str, **options: Any) -> None:
        self._client = Client(url, **options)
        self._loop = BackgroundLoop()

    def open(self) -> Self:
        """Connects. Raises `Unreachable`, `Refused`."""
        self._loop.__enter__()
        try:
            self._loop.run(self._client.__aenter__())
        except BaseException:
            self._loop.__exit__(None, None, None)
            raise
        return self

    def close(self) -> None:
        """Ends the connection; answers under way go on at the server."""
        try:
            self._loop.run(self._client.aclose())
        finally:
            self._loop.__exit__(None, None, None)

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(
        self,
        text: str,
        *,
        chat: str | None = None,
        id: str | None = None,
        namespace: str = "",
        filter: Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> SyncAnswerStream:
        """See `Client.ask`; the question is sent when iteration starts."""
        stream = self._client.ask(text, chat=chat, id=id, namespace=namespace, filter=filter, options=options)
        return SyncAnswerStream(self._loop, stream)

    def resume(self, chat: str, *, cursors: Sequence[Cursor] = ()) -> list[SyncAnswerStream]:
        """See `Client.resume`."""
        streams = self._loop.run(self._client.resume(chat, cursors=cursors))
        return [SyncAnswerStream(self._loop, stream) for stream in streams]

    def answer(self, id: str) -> Answer:
        """An answer as it stands, whole or not. Raises `Rejected`."""
        return self._loop.run(self._client.answer(id))

    def answers(self, chat: str) -> list[Answer]:
        """A chat's answers, oldest first."""
        return self._loop.run(self._client.answers(chat))

    def chats(self) -> Iterator[ChatSummary]:
        """See `Client.chats`."""
        chats = self._client.chats()
        while (chat := self._loop.run(_next_of(chats))) is not None:
            yield chat

    def search(self, text: str, *, top_k: int | None = None, namespace: str = "") -> list[dict[str, Any]]:
        """Passages, best first."""
        return self._loop.run(self._client.search(text, top_k=top_k, namespace=namespace))

    def delete(self, id: str, *, collection: str | None = None, namespace: str = "") -> bool:
        """See `Client.delete`."""
        return self._loop.run(self._client.delete(id, collection=collection, namespace=namespace))

    def graph(self, entity: str | None = None, *, answer: str | None = None, **options: Any) -> dict[str, Any]:
        """See `Client.graph`."""
        return self._loop.run(self._client.graph(entity, answer=answer, **options))


async def _next_of(chats: AsyncIterator[ChatSummary]) -> ChatSummary | None:
    """A `StopAsyncIteration` can't leave a task."""
    return await anext(chats, None)
