"""What a connection needs of a socket. The edge gives it one; tests give it theirs."""

from collections.abc import Sequence
from typing import Protocol


class SocketClosed(Exception):
    """The peer is gone, or the socket was closed: nothing can be sent any more."""


class Socket(Protocol):
    sent: int
    """Frames sent so far: tells a peer that reads slowly from one that has stopped."""

    async def receive(self) -> str | bytes:
        """The next frame. Raises `SocketClosed`."""

    async def send(self, frames: Sequence[str]) -> None:
        """In order; waits while the peer does not read. Raises `SocketClosed`."""

    async def close(self, code: int, reason: str) -> None:
        """Never raises; a closed socket stays closed."""
