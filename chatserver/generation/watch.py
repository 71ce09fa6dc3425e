"""What generations tell of themselves, for metrics. Pure."""

from typing import Final, Protocol

from chatserver.answers.states import AnswerState
from chatserver.protocol.chunks import Chunk


class GenerationWatch(Protocol):
    """Told on the event loop, in the order in which things happen. Never blocks or raises. Seconds of an answer count
    from its question."""

    def asked(self) -> None:
        """A question that was not known is durable."""

    def began(self, owner: int) -> None:
        """An answer was claimed, by its `owner`th owner: from the second on it was taken over."""

    def appended(self, entries: int, seconds: float) -> None:
        """A batch is in the log, after so many seconds of waiting for it."""

    def append_failed(self) -> None:
        """The log was away; the batch is tried again."""

    def told(self, chunk: Chunk) -> None:
        """An entry that is no text is in the log."""

    def first_text(self, seconds: float) -> None:
        """Text is there to be read."""

    def sealed(self, state: AnswerState, seconds: float) -> None: ...

    def handed_over(self) -> None:
        """Its claim was given back for another process to go on."""

    def fenced(self) -> None:
        """Another process had taken it over."""


class _Silent:
    """For generations that nobody measures."""

    def asked(self) -> None:
        return

    def began(self, owner: int) -> None:
        return

    def appended(self, entries: int, seconds: float) -> None:
        return

    def append_failed(self) -> None:
        return

    def told(self, chunk: Chunk) -> None:
        return

    def first_text(self, seconds: float) -> None:
        return

    def sealed(self, state: AnswerState, seconds: float) -> None:
        return

    def handed_over(self) -> None:
        return

    def fenced(self) -> None:
        return


UNWATCHED: Final[GenerationWatch] = _Silent()
