"""An answer as it comes, in the terminal."""

import signal
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from types import FrameType

from rich.live import Live
from rich.markdown import Markdown

from chatserver.cli import terminal
from chatserver.cli.background import BackgroundLoop
from chatserver.cli.wording import ending_line, source_lines, step_line
from chatserver.client import Answer, AnswerStream, Entry


def tell(loop: BackgroundLoop, stream: AnswerStream) -> Answer:
    """Shows the answer until it is sealed. Ctrl-C stops it and keeps what there is; a second one gives up."""

    async def take() -> Entry | None:
        return await anext(stream, None)

    with ctrl_c_stops(loop, stream), TextView() as view:
        while (entry := loop.run(take())) is not None:
            _show(view, entry)
    show_ending(stream.answer)
    return stream.answer


@contextmanager
def ctrl_c_stops(loop: BackgroundLoop, stream: AnswerStream) -> Iterator[None]:
    """A handler and not `except KeyboardInterrupt`: the signal comes at any moment, also while an entry is printed,
    and no entry may be lost by it."""
    stopping: list[Future[None]] = []

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        if stopping:
            raise KeyboardInterrupt
        stopping.append(loop.start(stream.stop()))

    before = signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def show_ending(answer: Answer) -> None:
    sources = source_lines(answer)
    if sources:
        terminal.say()
    for line in sources:
        terminal.say(line, style="dim")
    ending = ending_line(answer)
    if ending is not None:
        terminal.say(ending, style="yellow" if answer.state == "stopped" else "red")


def _show(view: "TextView", entry: Entry) -> None:
    if entry.reset:
        view.remark("the server's log was lost; the answer begins again")
    line = step_line(entry.chunk)
    if line is not None:
        view.remark(line)
    match entry.chunk["type"]:
        case "text-delta":
            view.add(entry.chunk["delta"])
        case "text-end" | "reset-step":
            view.finish()


class TextView:
    """Markdown rendered block by block: a finished block is printed for good, the open one redrawn below it. When
    nobody watches, the text goes out as it is."""

    def __init__(self) -> None:
        self._open = ""
        self._live: Live | None = None

    def __enter__(self) -> "TextView":
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def add(self, text: str) -> None:
        if not terminal.out.is_terminal:
            terminal.out.file.write(text)
            self._open = text
            return
        self._open += text
        blocks, self._open = split_blocks(self._open)
        if blocks:
            self._close_live()
            terminal.out.print(Markdown(blocks))
        if self._open.strip():
            self._draw()

    def finish(self) -> None:
        """The text ends here."""
        self._close_live()
        if terminal.out.is_terminal and self._open.strip():
            terminal.out.print(Markdown(self._open))
        elif self._open and not self._open.endswith("\n"):
            terminal.out.file.write("\n")
        self._open = ""

    def remark(self, line: str) -> None:
        self.finish()
        terminal.remark(line)

    def _draw(self) -> None:
        if self._live is None:
            self._live = Live(console=terminal.out, transient=True, refresh_per_second=12)
            self._live.start()
        self._live.update(Markdown(self._open))

    def _close_live(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None


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
