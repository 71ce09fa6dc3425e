"""A test double: it speaks Redis's protocol (RESP 2) over TCP and says what Redis 6.2.14 says. It keeps nothing.

Debian has Redis 7 only, so the real one is not here. What it answers was written down from the documentation of the
commands and the source of 6.2: INFO names its version, and `SET … NX GET` is a syntax error before 7.0.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import hiredis

INFO = (
    "# Server\r\nredis_version:6.2.14\r\nredis_mode:standalone\r\nrun_id:0123456789abcdef0123456789abcdef01234567\r\n"
)
REPLIES = {
    "CLIENT": b"+OK\r\n",
    "CONFIG": b"*2\r\n$11\r\nappendfsync\r\n$8\r\neverysec\r\n",
    "EXISTS": b":0\r\n",
    "INFO": f"${len(INFO)}\r\n{INFO}\r\n".encode(),
    "PING": b"+PONG\r\n",
    "SET": b"-ERR syntax error\r\n",
}


class OldRedis:
    """`told` has the commands, as far as they were one of those of its name."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        commands = hiredis.Reader()
        while piece := await reader.read(65_536):
            commands.feed(piece)
            while (command := commands.gets()) is not False:
                self.told.append(command[0].decode())
                writer.write(REPLIES.get(self.told[-1], b"-ERR unknown command\r\n"))
        writer.close()


@asynccontextmanager
async def old_redis() -> AsyncIterator[OldRedis]:
    old = OldRedis()
    listener = await asyncio.start_server(old.serve, "127.0.0.1", 0)
    old.url = f"redis://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    async with listener:
        yield old
