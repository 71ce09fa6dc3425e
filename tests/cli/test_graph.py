import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.cli.conftest import Run

FILM = "# The Prairie King\n\nThe Prairie King is a film by B. Reeves Eason.\n"
DIRECTOR = "# B. Reeves Eason\n\nB. Reeves Eason was born in Massachusetts.\n"
QUESTION = "Where was the director of The Prairie King born?"


@pytest.fixture(autouse=True)
def _films(run: Run) -> None:
    Path("docs").mkdir()
    Path("docs/film.md").write_text(FILM)
    Path("docs/director.md").write_text(DIRECTOR)
    assert run("ingest", "docs").code == 0


def test_what_is_around_a_name(run: Run) -> None:
    """Without a file the graph is a tree in the terminal, each branch with the words that say why it is there."""
    result = run("graph", "B. Reeves Eason")
    assert result.code == 0
    first, *others = result.out.splitlines()
    assert first == "B. Reeves Eason"
    assert any("mentioned in: The Prairie King #1" in line for line in others)
    assert any("name of: B. Reeves Eason" in line for line in others)


def test_an_unknown_name(run: Run) -> None:
    """One line with the nearest names, and nothing is written."""
    result = run("graph", "Reeves Easen", "--out", "g.svg")
    assert result.code == 1
    assert result.err.startswith("chatserver: The graph knows nothing called 'Reeves Easen'. Nearest: B. Reeves Eason")
    assert result.err.endswith("(not_found)\n")
    assert not Path("g.svg").exists()


def test_a_picture_and_a_page(run: Run) -> None:
    """The file's ending says which; both hold the names."""
    for name in ("g.svg", "g.HTML"):
        result = run("graph", "B. Reeves Eason", "--out", name)
        assert (result.code, result.out) == (0, "")
        assert f"drawn to {name}" in result.err
        assert "The Prairie King" in Path(name).read_text("utf-8")
    ET.fromstring(Path("g.svg").read_text("utf-8"))


def test_how_an_answer_was_reached(run: Run) -> None:
    """The question and its numbered sources; `--json` prints the server's document."""
    answer = json.loads(run("ask", QUESTION, "--json").out)
    document = json.loads(run("graph", "--answer", answer["answer"], "--json").out)
    assert document["nodes"][0]["label"] == QUESTION
    assert {node["n"] for node in document["nodes"] if "n" in node} == {source["n"] for source in answer["sources"]}
    shown = run("graph", "--answer", answer["answer"]).out
    assert shown.startswith(QUESTION)
    assert "[1] " in shown


def test_more_than_is_shown(run: Run) -> None:
    """A limit that leaves something out is told."""
    result = run("graph", "B. Reeves Eason", "--limit", "2")
    assert len(result.out.splitlines()) == 2
    assert "there is more" in result.err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), "invalid_field"),
        (("x", "--answer", "y"), "invalid_field"),
        (("x", "--out", "g.png"), "unknown_format"),
        (("B. Reeves Eason", "--out", "no/such/g.svg"), "unwritable"),
        (("--answer", "nothing"), "unknown_answer"),
    ],
)
def test_what_cannot_be_drawn(run: Run, arguments: tuple[str, ...], code: str) -> None:
    """One line with a code."""
    result = run("graph", *arguments)
    assert result.code == 1
    assert result.err.endswith(f"({code})\n")
    assert len(result.err.splitlines()) == 1
