"""uvicorn's HTTP protocol, with an end to its patience: it waits for ever for a request that somebody has begun.

    Half-open   A connection has `HEADERS_S` for the head of its request, the first as every other. Of connections
                that have no request yet at most `HALF_OPEN` stay: one more costs the oldest of them its place.
    Uploads     What is sent of a body after its request was answered is thrown away for `LINGER_S`, so that the
                sender reads the answer; then the connection is closed.

`http` of `uvicorn.toml` names it, and so may another server's configuration.
"""

import asyncio
from typing import ClassVar

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


class PatientH11(H11Protocol):
    HEADERS_S: ClassVar[float] = 10.0
    HALF_OPEN: ClassVar[int] = 8192
    LINGER_S: ClassVar[float] = 1.0

    _half_open: ClassVar[dict["PatientH11", asyncio.TimerHandle]] = {}
    """Oldest first, each with its end."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_a_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._has_request():
            self._stop_waiting()
        else:
            self._expect_a_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self.loop.call_later(self.LINGER_S, self._end_upload)

    def _has_request(self) -> bool:
        upgraded = self.transport.get_protocol() is not self
        return upgraded or (self.cycle is not None and not self.cycle.response_complete)

    def _expect_a_request(self) -> None:
        if self in self._half_open or self.transport.is_closing():
            return
        if len(self._half_open) >= self.HALF_OPEN:
            next(iter(self._half_open))._give_up()
        self._half_open[self] = self.loop.call_later(self.HEADERS_S, self._give_up)

    def _stop_waiting(self) -> None:
        timer = self._half_open.pop(self, None)
        if timer is not None:
            timer.cancel()

    def _give_up(self) -> None:
        self._stop_waiting()
        self.transport.abort()

    def _end_upload(self) -> None:
        if self.conn.their_state is h11.SEND_BODY:
            self.transport.close()
