"""`chatserver chat`: a conversation in the terminal that goes on where it was left."""

import contextlib
from pathlib import Path
from uuid import uuid4

from rich.markdown import Markdown

from chatserver.cli import terminal
from chatserver.cli.last_chat import read_last_chat, write_last_chat
from chatserver.cli.reach import reached
from chatserver.cli.telling import show_ending, tell
from chatserver.client import Answer, Client, Rejected
from chatserver.client.background import BackgroundLoop
from chatserver.settings import load_settings

with contextlib.suppress(ImportError):  # line editing and history at the prompt, where Python has them
    import readline  # noqa: F401

PROMPT = "› "


def chat(*, chat: str | None, new: bool, namespace: str, url: str | None, data_dir: Path | None) -> None:
    place = url or str((data_dir or load_settings().storage.data_dir).resolve())
    known = chat or (None if new else read_last_chat(place))
    name = known or uuid4().hex
    with reached(url, data_dir) as (loop, client):
        if known is not None:
            _show_earlier(loop, client, known)
        write_last_chat(place, name)
        terminal.remark(f"chat {name} · Ctrl-C stops an answer, at the prompt it leaves")
        while (question := _read_question()) is not None:
            if question.strip():
                _answer(loop, client, name, question, namespace)


def _show_earlier(loop: BackgroundLoop, client: Client, chat: str) -> None:
    """What was said, then what has not been read to its end, as it comes."""
    earlier = {answer.id: answer for answer in loop.run(client.answers(chat))}
    unread = loop.run(client.resume(chat))
    coming = {stream.id for stream in unread}
    for answer in earlier.values():
        if answer.id not in coming:
            _show_turn(answer)
    for stream in unread:
        question = earlier[stream.id].question if stream.id in earlier else ""
        terminal.say(f"{PROMPT}{question}", style="bold")
        tell(loop, stream)


def _show_turn(answer: Answer) -> None:
    terminal.say(f"{PROMPT}{answer.question}", style="bold")
    terminal.out.print(Markdown(answer.text))
    show_ending(answer)


def _read_question() -> str | None:
    """None when the person leaves."""
    try:
        return input(PROMPT)
    except (EOFError, KeyboardInterrupt):
        print()
        return None


def _answer(loop: BackgroundLoop, client: Client, chat: str, question: str, namespace: str) -> None:
    try:
        tell(loop, client.ask(question, chat=chat, namespace=namespace))
    except Rejected as error:
        terminal.say(f"{error} ({error.code})", style="red")
