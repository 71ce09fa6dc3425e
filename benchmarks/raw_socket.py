"""A WebSocket client as small as it can be, so that ten thousand of them fit beside the server that they measure."""

import asyncio
import struct
from collections.abc import Callable

_HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: chat.v1\r\n\r\n"
)
_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


class RawSocket(asyncio.Protocol):
    """Gives each text frame to `on_text` and the end, with its close code or None, to `on_end`. Reads no masked and no
    fragmented frames: our server sends neither."""

    def __init__(self, path: str, on_text: Callable[[bytes], None], on_end: Callable[[int | None], None]) -> None:
        self._path = path
        self._on_text = on_text
        self._on_end = on_end
        self._buffer = b""
        self._open = False
        self._code: int | None = None
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport
        transport.write(_HANDSHAKE.format(path=self._path).encode())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._open:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                self.close()
                return
            self._open, self._buffer = True, rest
        while (frame := self._next_frame()) is not None:
            self._on_frame(*frame)

    def connection_lost(self, error: Exception | None) -> None:
        self._on_end(self._code)

    def send(self, text: bytes) -> None:
        self._write(_TEXT, text)

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()

    def stop_reading(self) -> None:
        assert isinstance(self._transport, asyncio.Transport)
        self._transport.pause_reading()

    def _next_frame(self) -> tuple[int, bytes] | None:
        if len(self._buffer) < 2:
            return None
        length, start = self._buffer[1] & 0x7F, 2
        if length >= 126:
            start = 4 if length == 126 else 10
            if len(self._buffer) < start:
                return None
            length = int.from_bytes(self._buffer[2:start])
        if len(self._buffer) < start + length:
            return None
        frame = self._buffer[0] & 0x0F, self._buffer[start : start + length]
        self._buffer = self._buffer[start + length :]
        return frame

    def _on_frame(self, opcode: int, payload: bytes) -> None:
        if opcode == _TEXT:
            self._on_text(payload)
        elif opcode == _PING:
            self._write(_PONG, payload)
        elif opcode == _CLOSE:
            self._code = int.from_bytes(payload[:2]) if payload else None
            self._write(_CLOSE, payload)
            self.close()

    def _write(self, opcode: int, payload: bytes) -> None:
        """A client must mask; a mask of zeros leaves the payload as it is."""
        assert self._transport is not None
        length = len(payload)
        size = bytes([0x80 | length]) if length < 126 else b"\xfe" + struct.pack("!H", length)
        self._transport.write(bytes([0x80 | opcode]) + size + bytes(4) + payload)
