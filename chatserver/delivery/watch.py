"""What connections tell of themselves, for metrics. Pure."""

from typing import Final, Protocol

from chatserver.answers.position import Verdict
from chatserver.protocol.codes import ErrorCode


class DeliveryWatch(Protocol):
    """Told on the event loop, in the order in which things happen. Never blocks or raises. `sent` is called for each
    turn of each connection: it costs what an addition costs."""

    def opened(self) -> None:
        """A connection is served."""

    def closed(self, code: int) -> None:
        """A connection that was served has ended, with this code; 1001 when the peer left."""

    def turned_away(self, code: int) -> None:
        """A connection was closed with this code instead of being served."""

    def sent(self, entries: int) -> None:
        """So many entries went to one connection."""

    def resumed(self, verdict: Verdict) -> None:
        """An answer was resumed, or could not be."""

    def delivered(self) -> None:
        """One connection has had an answer to its end."""

    def acknowledged(self) -> None:
        """An answer was acknowledged to its end."""

    def refused(self, code: ErrorCode) -> None:
        """A command was not carried out."""


class _Silent:
    """For connections that nobody measures."""

    def opened(self) -> None:
        return

    def closed(self, code: int) -> None:
        return

    def turned_away(self, code: int) -> None:
        return

    def sent(self, entries: int) -> None:
        return

    def resumed(self, verdict: Verdict) -> None:
        return

    def delivered(self) -> None:
        return

    def acknowledged(self) -> None:
        return

    def refused(self, code: ErrorCode) -> None:
        return


UNWATCHED: Final[DeliveryWatch] = _Silent()
