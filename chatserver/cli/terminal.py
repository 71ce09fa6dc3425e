"""Where commands print. What a program reads is never wrapped or coloured."""

from rich.console import Console

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def say(text: str = "", style: str | None = None) -> None:
    """A line for a person; user text in it is not markup."""
    out.print(text, style=style, markup=False, soft_wrap=not out.is_terminal)


def remark(text: str) -> None:
    """A line beside the result: to standard error, so that a pipe carries the result alone."""
    err.print(text, style="dim", markup=False, soft_wrap=not err.is_terminal)
