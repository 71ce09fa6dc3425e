import io
import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from chatserver.cli import terminal
from chatserver.cli.errors import CommandError, explained
from chatserver.cli.last_chat import read_last_chat, write_last_chat
from chatserver.cli.text_view import split_blocks, text_view
from chatserver.cli.wording import ending_line, source_lines, step_line
from chatserver.client import Answer, Chunk, Citation, Source
from chatserver.settings import SettingsError


@pytest.mark.parametrize(
    ("chunk", "line"),
    [
        ({"type": "data-decision", "data": {"kind": "greeting", "reason": "says hello"}}, "greeting: says hello"),
        (
            {
                "type": "data-retrieval",
                "data": {
                    "passages": [{}],
                    "legs": [
                        {"leg": "vector", "state": "ok", "hits": 3, "ms": 1.6},
                        {"leg": "graph", "state": "late", "hits": 0, "ms": 5000},
                    ],
                },
            },
            "1 passages · vector 3 in 2 ms, graph late",
        ),
        ({"type": "data-records", "data": [{}, {}]}, "2 records"),
        ({"type": "data-notice", "data": {"code": "n", "message": "No model."}}, "note: No model."),
        ({"type": "reset-step"}, "this step is told again from its start"),
        ({"type": "text-delta", "delta": "x"}, None),
        ({"type": "data-new", "data": {}}, None),
    ],
)
def test_steps(chunk: Chunk, line: str | None) -> None:
    """Each step has a line of its own, other entries none."""
    assert step_line(chunk) == line


def test_sources_are_those_that_are_cited() -> None:
    """Under the answer stand the cited sources, by the numbers that the text uses."""
    answer = Answer(
        "a",
        "c",
        "q",
        sources=(Source(1, "p", "One"), Source(2, "r", "Two")),
        citations=(Citation("r", 0, 1, "x"), Citation("r", 2, 3, "y")),
    )
    assert source_lines(answer) == ["[2] Two"]


def test_endings() -> None:
    """A whole answer ends in silence, a stopped or failed one says so."""
    assert ending_line(Answer("a", "c", "q", state="completed")) is None
    assert ending_line(Answer("a", "c", "q", state="stopped")) == "(stopped)"
    assert ending_line(Answer("a", "c", "q", state="failed", error=("x", "No."))) == "No. (x)"


def test_blocks() -> None:
    """A block ends at an empty line, but not within a code fence."""
    assert split_blocks("a\n\nb") == ("a\n\n", "b")
    assert split_blocks("a\nb") == ("", "a\nb")
    assert split_blocks("```\na\n\nb") == ("", "```\na\n\nb")
    assert split_blocks("```\na\n\nb\n```\n\nc") == ("```\na\n\nb\n```\n\n", "c")


@given(st.text(alphabet="a`\n ", max_size=60).map(lambda text: text.replace("`", "```")), st.data())
def test_blocks_do_not_depend_on_the_deltas(text: str, data: st.DataObject) -> None:
    """However the text is cut into deltas at line ends, the same blocks come out and nothing is lost."""
    whole, rest = split_blocks(text)
    assert whole + rest == text
    lines = text.splitlines(keepends=True)
    cut = data.draw(st.integers(0, len(lines)))
    first, open_ = split_blocks("".join(lines[:cut]))
    second, end = split_blocks(open_ + "".join(lines[cut:]))
    assert (first + second, end) == (whole, rest)


def test_explained() -> None:
    """Our errors explain themselves with their code, several faults in a list; a bug does not."""
    assert explained(CommandError("No.", code="c")) == "No. (c)"
    assert explained(SettingsError(["one"])) == "one (invalid_settings)"
    assert explained(SettingsError(["one", "two"])) == "2 faults (invalid_settings)\n  one\n  two"
    assert explained(ExceptionGroup("g", [CommandError("No.", code="c")])) == "No. (c)"
    assert explained(ValueError("x")) is None


def test_control_characters_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """As escapes: a file's name can't colour, clear or overwrite what a person reads."""
    terminal.say("a\x1b[31mb\x9bc\rd\nf")
    assert capsys.readouterr().out == "a\\x1b[31mb\\x9bc\\rd\nf\n"


def test_the_last_chat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last chat is kept for each place; a garbled file is as good as none."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert read_last_chat("here") is None
    write_last_chat("here", "c1")
    write_last_chat("there", "c2")
    write_last_chat("here", "c3")
    assert (read_last_chat("here"), read_last_chat("there")) == ("c3", "c2")
    file = tmp_path / "chatserver" / "last-chats.json"
    assert os.listdir(file.parent) == [file.name]
    file.write_text("[")
    assert read_last_chat("here") is None
    for n in range(60):
        write_last_chat(f"place {n}", "c")
    assert read_last_chat("place 0") is None
    assert read_last_chat("place 59") == "c"


def test_a_watched_answer_is_rendered_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a terminal finished blocks are printed as Markdown, with an empty line between them."""
    screen = Console(file=io.StringIO(), force_terminal=True, width=60, legacy_windows=False)
    monkeypatch.setattr(terminal, "out", screen)
    view = text_view()
    for delta in ("Check **the", " pump**", ".\n\nThen", " start.\n\n", "\n", "Last.", "\n"):
        view.add(delta)
    view.finish()
    assert isinstance(screen.file, io.StringIO)
    assert screen_lines(screen.file.getvalue()) == ["Check the pump.", "", "Then start.", "", "Last."]


def screen_lines(written: str) -> list[str]:
    """What a terminal shows in the end: the few control sequences that a redrawn block needs, carried out."""
    lines, row, column = [""], 0, 0
    for control, text in re.findall(r"(\x1b\[[0-9;?]*[A-Za-z]|\r|\n)|([^\x1b\r\n]+)", written):
        if control == "\n":
            row, column = row + 1, 0
            lines += [""] * (row + 1 - len(lines))
        elif control == "\r":
            column = 0
        elif control == "\x1b[1A":
            row -= 1
        elif control == "\x1b[2K":
            lines[row] = ""
        elif text:
            lines[row] = lines[row].ljust(column)[:column] + text + lines[row][column + len(text) :]
            column += len(text)
    return "\n".join(line.rstrip() for line in lines).rstrip("\n").split("\n")


def test_an_answer_in_a_pipe_is_its_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a pipe the text goes out as it is, ended with a line break."""
    pipe = Console(file=io.StringIO(), width=20)
    monkeypatch.setattr(terminal, "out", pipe)
    view = text_view()
    view.add("A **long** line that is not wrapped")
    view.add(" at all.")
    view.finish()
    assert isinstance(pipe.file, io.StringIO)
    assert pipe.file.getvalue() == "A **long** line that is not wrapped at all.\n"
