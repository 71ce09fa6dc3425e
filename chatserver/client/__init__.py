"""The Python client of chatserver: it imports nothing of the server.

    async with Client("http://127.0.0.1:8000") as client:
        stream = client.ask("What must be checked before start-up?")
        async for entry in stream:
            ...                     # every entry of the answer's log, once, in order
        print(stream.answer.text)   # or: answer = await client.ask("…").result()

A lost connection comes back by itself, with full jitter, and each answer goes on where it was. `client.resume(chat)`
gives the answers of a chat that an earlier process has not read to their end, `stream.stop()` ends one,
`client.answer(id)` fetches one as a document.

`SyncClient` is the same for scripts and notebooks, where an answer is shown as Markdown with its sources:

    with SyncClient("http://127.0.0.1:8000") as client:
        client.ask("What must be checked before start-up?").result()
"""

from chatserver.client.backoff import Backoff
from chatserver.client.client import Client
from chatserver.client.errors import (
    AnswerGone,
    ClientError,
    Closed,
    ProtocolError,
    Refused,
    Rejected,
    Unreachable,
)
from chatserver.client.events import Chunk, Cursor
from chatserver.client.http import ChatSummary
from chatserver.client.stream import AnswerStream, Entry
from chatserver.client.sync import SyncAnswerStream, SyncClient
from chatserver.client.transcript import Answer, Citation, Source, Transcript

__all__ = [
    "Answer",
    "AnswerGone",
    "AnswerStream",
    "Backoff",
    "ChatSummary",
    "Chunk",
    "Citation",
    "Client",
    "ClientError",
    "Closed",
    "Cursor",
    "Entry",
    "ProtocolError",
    "Refused",
    "Rejected",
    "Source",
    "SyncAnswerStream",
    "SyncClient",
    "Transcript",
    "Unreachable",
]
