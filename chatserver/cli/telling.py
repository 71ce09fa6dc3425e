"""An answer as it comes, in the terminal."""

import signal
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from types import FrameType

from chatserver.cli import terminal
from chatserver.cli.text_view import TextView, text_view
from chatserver.cli.wording import ending_line, source_lines, step_line
from chatserver.client import Answer, AnswerStream, Entry
from chatserver.client.background import BackgroundLoop


def tell(loop: BackgroundLoop, stream: AnswerStream) -> Answer:
    """Shows the answer until it is sealed. Ctrl-C stops it and keeps what there is; a second one gives up."""

    async def take() -> Entry | None:
        return await anext(stream, None)

    view = text_view()
    with ctrl_c_stops(loop, stream):
        try:
            while (entry := loop.run(take())) is not None:
                _show(view, entry)
        finally:
            view.finish()
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


def _show(view: TextView, entry: Entry) -> None:
    if entry.reset:
        _remark(view, "the server's log was lost; the answer begins again")
    line = step_line(entry.chunk)
    if line is not None:
        _remark(view, line)
    match entry.chunk["type"]:
        case "text-delta":
            view.add(entry.chunk["delta"])
        case "text-end":
            view.finish()


def _remark(view: TextView, line: str) -> None:
    view.finish()
    terminal.remark(line)
