"""An answer's text as it grows: rendered where a person watches, as it is in a pipe."""

from typing import Protocol

from rich.live import Live
from rich.markdown import Markdown

from chatserver.cli import terminal


class TextView(Protocol):
    def add(self, text: str) -> None: ...

    def finish(self) -> None:
        """The text ends here, for good or because something else is to be shown."""


def text_view() -> TextView:
    return RenderedText() if terminal.out.is_terminal else PlainText()


class PlainText:
    def __init__(self) -> None:
        self._line_open = False

    def add(self, text: str) -> None:
        terminal.out.file.write(text)
        terminal.out.file.flush()
        self._line_open = not text.endswith("\n")

    def finish(self) -> None:
        if self._line_open:
            self.add("\n")


class RenderedText:
    """Markdown, block by block: a finished block is printed for good, the open one redrawn below it."""

    def __init__(self) -> None:
        self._open = ""
        self._begun = False
        self._live: Live | None = None

    def add(self, text: str) -> None:
        blocks, self._open = split_blocks(self._open + text)
        if blocks.strip():
            self._print(blocks)
        if self._open.strip():
            self._draw()

    def finish(self) -> None:
        if self._open.strip():
            self._print(self._open)
        self._open = ""

    def _print(self, blocks: str) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._begun:
            terminal.out.print()
        self._begun = True
        terminal.out.print(Markdown(blocks))

    def _draw(self) -> None:
        if self._live is None:
            self._live = Live(console=terminal.out, transient=True, refresh_per_second=12)
            self._live.start()
        self._live.update(Markdown(self._open))


def split_blocks(text: str) -> tuple[str, str]:
    """The finished blocks (up to the last empty line outside a code fence) and the open rest."""
    end, fenced, position = 0, False, 0
    for line in text.splitlines(keepends=True):
        position += len(line)
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and not line.strip() and line.endswith("\n"):
            end = position
    return text[:end], text[end:]
