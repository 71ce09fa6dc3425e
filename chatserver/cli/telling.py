"""An answer as it comes, in the terminal."""

from rich.live import Live
from rich.markdown import Markdown

from chatserver.cli import terminal
from chatserver.cli.background import BackgroundLoop
from chatserver.cli.wording import ending_line, source_lines, step_line
from chatserver.client import Answer, AnswerStream, Entry


def tell(loop: BackgroundLoop, stream: AnswerStream) -> Answer:
    """Shows the answer until it is sealed. The first Ctrl-C stops it and keeps what there is."""
    with TextView() as view:
        while (entry := _next(loop, stream)) is not None:
            _show(view, entry)
    show_ending(stream.answer)
    return stream.answer


def _next(loop: BackgroundLoop, stream: AnswerStream) -> Entry | None:
    """Waits on through the Ctrl-C that stops: an entry that has been taken is never lost."""

    async def take() -> Entry | None:
        return await anext(stream, None)

    taking = loop.start(take())
    while True:
        try:
            return taking.result()
        except KeyboardInterrupt:
            if stream.stop_wanted:
                taking.cancel()
                raise
            loop.run(stream.stop())


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
