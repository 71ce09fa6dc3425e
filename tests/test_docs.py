"""The documents hold: examples parse, tables are complete, doors exist."""

import json
import re
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
from starlette.routing import Mount, Route, WebSocketRoute

from chatserver.answers.position import Verdict
from chatserver.app import create_app
from chatserver.edge.description.openapi import openapi
from chatserver.edge.doors import Door
from chatserver.protocol import commands, events
from chatserver.protocol.codes import CloseCode, ErrorCode
from chatserver.protocol.session import MAX_OFFENCES
from tests.delivery.conformance.scenarios import SCENARIOS

ROOT = Path(__file__).parents[1]
PROTOCOL = (ROOT / "PROTOCOL.md").read_text("utf-8")
DOCUMENTS = ("README.md", "PROTOCOL.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")

EVENTS: dict[str, type[Any]] = {
    "welcome": events.Welcome,
    "accepted": events.Accepted,
    "end": events.End,
    "resumed": events.Resumed,
    "pong": events.Pong,
    "draining": events.Draining,
    "error": events.Error,
}


def fences(text: str, language: str, role: str = "") -> list[str]:
    """The bodies of the code blocks that open with ```language role."""
    heading = f"{language} {role}".strip()
    return re.findall(rf"^```{re.escape(heading)}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def examples(role: str) -> list[str]:
    return [line for body in fences(PROTOCOL, "json", role) for line in body.splitlines()]


def first_cells(section: str) -> Iterator[str]:
    """The names in backticks and the numbers in the first column of a section's tables."""
    text = PROTOCOL.split(f"\n## {section}\n")[1].split("\n## ")[0]
    for cell in re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE):
        yield from re.findall(r"(?<=`)\w+(?=`)|\b\d{4}\b", cell)


def values(enum: type[Enum]) -> set[str]:
    return {str(member.value) for member in enum}


@pytest.mark.parametrize("frame", examples("client"))
def test_a_command_of_the_protocol_page_is_one(frame: str) -> None:
    """The server takes every command that PROTOCOL.md shows."""
    command = commands.parse(frame, max_question_characters=1000)
    assert set(json.loads(frame)) <= set(type(command).model_fields)


@pytest.mark.parametrize("frame", examples("server"))
def test_an_event_of_the_protocol_page_is_one(frame: str) -> None:
    """The server sends every event just as PROTOCOL.md shows it."""
    shown = json.loads(frame)
    if shown["type"] == "chunk":
        entry = json.dumps(shown["chunk"]).encode()
        (sent,) = events.chunk_frames(shown["answer"], shown["epoch"], shown["seq"], [entry])
        assert json.loads(events.as_replay(sent) if shown.get("replay") else sent) == shown
    else:
        assert json.loads(EVENTS[shown["type"]].model_validate(shown).frame()) == shown


def test_every_kind_of_frame_is_shown() -> None:
    """No command and no event lacks its example."""
    assert {json.loads(frame)["type"] for frame in examples("client")} == {"ask", "resume", "ack", "stop", "ping"}
    assert {json.loads(frame)["type"] for frame in examples("server")} == {*EVENTS, "chunk"}


def test_the_tables_of_the_protocol_page_are_complete() -> None:
    """Every event, verdict, close code and error code has its row, and no row is of something else."""
    assert set(first_cells("Events")) == {*EVENTS, "chunk"} | values(Verdict)
    assert set(first_cells("Error codes")) == values(ErrorCode)
    assert set(first_cells("Close codes")) == values(CloseCode)
    assert f"{MAX_OFFENCES} bad frames" in PROTOCOL


def test_the_doors_of_the_protocol_page_are_the_servers() -> None:
    """The HTTP doors that PROTOCOL.md lists are those that the application has."""
    shown = {
        (method, path.split("/…")[0])
        for method, path in re.findall(r"^\| `(GET|POST|DELETE) ([^`]+)`", PROTOCOL, re.MULTILINE)
    }
    served = set()
    for route in create_app().routes:
        match route:
            case Mount():
                served.add(("GET", route.path))
            case WebSocketRoute():
                assert f"`{route.path}`" in PROTOCOL
            case Route():
                path = re.sub(r":\w+}", "}", route.path)
                served |= {(method, path) for method in (route.methods or set()) - {"HEAD"}}
    assert shown == served


def test_every_door_is_described_for_machines() -> None:
    """None is left out of OpenAPI (its `about`), each says in a line what it is for, and no two have one name."""
    doors = [route for route in create_app().routes if isinstance(route, Door)]
    assert [door.path for door in doors if door.about is None] == []
    operations = [operation for methods in openapi(doors)["paths"].values() for operation in methods.values()]
    assert [operation["operationId"] for operation in operations if not operation["summary"]] == []
    assert len({operation["operationId"] for operation in operations}) == len(operations) >= len(doors)


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_between_documents_lead_somewhere(name: str) -> None:
    """A relative link or picture of a document is a file of the tree."""
    text = (ROOT / name).read_text("utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in target]
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_each_threat_has_its_test() -> None:
    """Whatever SECURITY.md says is shown by a test has that test."""
    text = (ROOT / "SECURITY.md").read_text("utf-8")
    table = text.partition("## Threats")[2].partition("benchmarks.attacks")[0]
    rows = re.findall(r"^\| (?!Threat).*\|$", table, re.MULTILINE)
    assert len(rows) > 15
    assert [row for row in rows if "`tests/" not in row] == []
    named = re.findall(r"`(tests/[\w/.]+?)(?:::(\w+))?`", text)
    missing = [
        path for path, name in named if not (ROOT / path).exists() or f"def {name}(" not in _text(path) + "def ("
    ]
    assert missing == []


def _text(path: str) -> str:
    return (ROOT / path).read_text("utf-8")


def test_the_map_of_the_code_is_complete() -> None:
    """Every package of the code stands on the map of CONTRIBUTING.md."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    folders = [path.name for path in (ROOT / "chatserver").iterdir() if (path / "__init__.py").exists()]
    assert len(folders) > 8
    assert [name for name in [*folders, "retrieval", "graph", "prompts", "web"] if f"{name}/" not in text] == []


def test_every_scenario_is_told_of_every_door() -> None:
    """The table of `docs/doors.md` has each scenario of the conformance suite, and its tests are there."""
    text = _text("docs/doors.md")
    table = text.partition("## Every door, every scenario")[2]
    rows = [row for row in re.findall(r"^\| (.*) \|$", table, re.MULTILINE) if not row.startswith("Scenario")]
    cells = [[cell.strip() for cell in row.split("|")] for row in rows]
    assert {len(row) for row in cells} == {7}
    named = {name for row in cells for name in re.findall(r"`(\w+)`", row[0])}
    assert {scenario.__name__ for scenario in SCENARIOS} == named
    tests = _text("tests/doors/test_resume.py")
    assert [name for row in cells for name in re.findall(r"`(test_\w+)`", row[1]) if f"def {name}(" not in tests] == []
    paths = re.findall(r"`(tests/[\w/.]+?)(?:::(\w+))?`", text)
    assert [path for path, _ in paths if not (ROOT / path).exists()] == []
    assert [path for path, name in paths if name and f"def {name}(" not in _text(path)] == []
