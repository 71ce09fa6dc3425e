"""Where commands print. What a program reads is never wrapped or coloured."""

from typing import Final

from rich.console import Console

_CONTROLS: Final = {code: repr(chr(code))[1:-1] for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def visible(text: str) -> str:
    """Control characters as one writes them: what a file is called moves no cursor."""
    return text.translate(_CONTROLS)


def say(text: str = "", style: str | None = None) -> None:
    """A line for a person; user text in it is not markup."""
    out.print(visible(text), style=style, markup=False, soft_wrap=not out.is_terminal)


def remark(text: str) -> None:
    """A line beside the result: to standard error, so that a pipe carries the result alone."""
    err.print(visible(text), style="dim", markup=False, soft_wrap=not err.is_terminal)
