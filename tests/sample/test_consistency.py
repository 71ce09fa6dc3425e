"""The sample agrees with itself: the records say what the handbook says, and the questions ask for what is there."""

import csv
import json
import operator
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SAMPLE = EXAMPLES / "cooling-unit"
TAG = re.compile(r"\b(?:[A-Z]{1,3})-\d{1,4}\b")

Row = dict[str, Any]


def json_rows(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def csv_rows(path: Path) -> list[Row]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


HANDBOOK = {path.name: path.read_text("utf-8") for path in sorted(SAMPLE.glob("*.md"))}
CARDS = {row["id"]: row for row in json_rows(SAMPLE / "passages.jsonl")}
RECORDS: dict[str, list[Row]] = {
    "TelemetryEvent": csv_rows(SAMPLE / "TelemetryEvent.csv"),
    "WorldStateSnapshot": json_rows(SAMPLE / "WorldStateSnapshot.jsonl"),
    "MaintenanceTask": csv_rows(SAMPLE / "MaintenanceTask.csv"),
}
QUESTIONS = json_rows(EXAMPLES / "questions.jsonl")
TEXT = "\n".join([*HANDBOOK.values(), *(f"{card['title']}\n{card['text']}" for card in CARDS.values())])


def limits(cell: str) -> list[tuple[str, float]]:
    """`< −5.0, > −2.0` as [("<", -5.0), (">", -2.0)]; the minus signs of the handbook are typographic."""
    found = re.findall(r"([<>]) (-?[\d.]+)", cell.replace("−", "-"))
    return [(sign, float(number)) for sign, number in found]


def sensors() -> dict[str, Row]:
    """The rows of the handbook's table of limits, by sensor tag."""
    rows = re.findall(r"^\| ([A-Z]+-\d+) \|(.*)\|$", HANDBOOK["sensors.md"], re.MULTILINE)
    columns = ("component", "measures", "unit", "normal", "warning", "trip")
    return {tag: dict(zip(columns, map(str.strip, rest.split("|")), strict=True)) for tag, rest in rows}


def passed(value: float, cell: str) -> bool:
    compare = {"<": operator.lt, ">": operator.gt}
    return any(compare[sign](value, limit) for sign, limit in limits(cell))


@pytest.mark.parametrize("collection", RECORDS)
def test_record_ids_are_unique(collection: str) -> None:
    """No two records of a collection share an id."""
    assert max(Counter(row["id"] for row in RECORDS[collection]).values()) == 1


def test_cards_have_unique_ids_that_their_titles_start_with() -> None:
    """A card is found by its tag: the title begins with the id, and no id comes twice."""
    assert len(CARDS) == len(json_rows(SAMPLE / "passages.jsonl"))
    assert all(card["title"].startswith(f"{id} (") for id, card in CARDS.items())


def test_every_tag_of_a_record_is_in_the_handbook() -> None:
    """Whatever component, sensor, pump or procedure a record names is described somewhere."""
    used = {tag for rows in RECORDS.values() for row in rows for tag in TAG.findall(json.dumps(row))}
    ids = {row["id"] for rows in RECORDS.values() for row in rows}
    named = {tag for tag in used - ids if not tag.startswith(("WS-", "TE-", "MT-"))}
    assert {"P-101", "FT-125", "MP-21"} <= named
    assert named <= set(TAG.findall(TEXT))


def test_every_failure_mode_is_described_once() -> None:
    """`failure_mode` is `none` or a key that exactly one FM card gives."""
    keys = [key for id, card in CARDS.items() if id.startswith("FM-") for key in re.findall(r"`(\w+)`", card["text"])]
    assert len(keys) == len(set(keys)) == 8
    assert {row["failure_mode"] for row in RECORDS["WorldStateSnapshot"]} <= {"none", *keys}


def test_severity_follows_the_limits() -> None:
    """An event's severity is what the handbook's table gives for its value; component and unit fit as well."""
    table = sensors()
    for event in RECORDS["TelemetryEvent"]:
        sensor = table[event["sensor"]]
        value = float(event["value"])
        expected = (
            "critical" if passed(value, sensor["trip"]) else "warning" if passed(value, sensor["warning"]) else "info"
        )
        assert (event["severity"], event["component"], event["unit"]) == (
            expected,
            sensor["component"],
            sensor["unit"],
        ), event["id"]


@pytest.mark.parametrize("collection", ["TelemetryEvent", "WorldStateSnapshot"])
def test_times_are_in_order(collection: str) -> None:
    """Rows stand in the order of `t_start`, and nothing ends before it begins."""
    rows = RECORDS[collection]
    assert all(a["t_start"] <= b["t_start"] for a, b in pairwise(rows))
    assert all(row["t_start"] < row["t_end"] for row in rows if row.get("t_end"))


def test_every_procedure_names_a_part_that_has_a_card() -> None:
    """The chain failure mode, procedure, part never ends in the void."""
    for id, card in CARDS.items():
        following = {"FM": "MP", "MP": "SP"}.get(id.split("-")[0])
        if following:
            assert set(re.findall(rf"{following}-\d+", card["text"])) & set(CARDS), id


def test_every_code_that_the_handbook_mentions_has_its_card() -> None:
    """Failure modes, procedures and parts are only mentioned when a card describes them."""
    assert set(re.findall(r"\b(?:FM|MP|SP)-\d+\b", TEXT)) == {id for id in CARDS if id[:2] in {"FM", "MP", "SP"}}


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda question: question["id"])
def test_a_question_asks_for_what_is_there(question: Row) -> None:
    """Expected documents and records exist, and the expected words stand in them."""
    targets = [HANDBOOK.get(name) or CARDS[name]["title"] + CARDS[name]["text"] for name in question["documents"]]
    for record in question["records"]:
        rows = {row["id"]: row for row in RECORDS[record["collection"]]}
        targets.append(json.dumps(rows[record["id"]], ensure_ascii=False))
    assert question["covered"] == bool(targets)
    # A line break of the Markdown source is a space to the reader.
    text = " ".join(" ".join(targets).split())
    assert all(word in text for word in question["words"])


def test_the_questions_cover_every_leg_and_both_languages() -> None:
    """At least 24 questions; every leg and several refusals among them; six or more in Dutch."""
    legs = Counter(question["leg"] for question in QUESTIONS)
    assert len({question["id"] for question in QUESTIONS}) == len(QUESTIONS) >= 24
    assert all(legs[leg] >= 4 for leg in ("vector", "keyword", "graph", "records", "none"))
    assert sum(question["language"] == "nl" for question in QUESTIONS) >= 6
