"""Files to documents and records."""

import io
import json
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chatserver.ingest.loaders import LOADERS, MAX_LINE, MAX_PROBLEMS, Item, Loaded, load
from chatserver.ingest.report import Problem
from graph.fields import schema
from graph.types import Record
from retrieval.types import Document


def items(name: str, data: bytes | str) -> list[Item]:
    raw = data.encode() if isinstance(data, str) else data
    return list(load(name, io.BytesIO(raw)))


def values(found: Iterable[Item]) -> list[Document | Record]:
    return [item.value for item in found if isinstance(item, Loaded)]


def problems(found: Iterable[Item]) -> list[tuple[str, int]]:
    return [(item.code, item.line) for item in found if isinstance(item, Problem)]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("intro\n\n# Alarms of CU-7 #\n\ntext", "Alarms of CU-7"),
        ("## Only a section\n\ntext", "Only a section"),
        ("no heading, #hash", "alarms"),
        ("```\n# a comment\n```\n# The title\n", "The title"),
    ],
)
def test_a_markdown_title_is_its_first_heading(text: str, title: str) -> None:
    """Its name without the ending when it has none; what stands in a code block is no heading. The text stays whole."""
    assert values(items("plant/alarms.md", text)) == [Document("plant/alarms.md", title, text, {"format": "markdown"})]


def test_a_text_is_titled_by_its_name() -> None:
    """A byte order mark is no part of it."""
    assert values(items("notes.txt", b"\xef\xbb\xbfHello")) == [
        Document("notes.txt", "notes", "Hello", {"format": "text"})
    ]


def test_passages_of_jsonl() -> None:
    """`id`, `title`, `text`; any other key is metadata, null is nothing, blank lines are skipped."""
    full = '{"id": 7, "title": "T", "text": "x", "year": 1999, "tags": ["a", "b"], "none": null}'
    bare = '{"id": "b", "text": "y"}'
    assert values(items("corpus.jsonl", f"{full}\n\n{bare}")) == [
        Document("7", "T", "x", {"year": 1999, "tags": ("a", "b")}),
        Document("b", "", "y"),
    ]


def test_records_of_jsonl() -> None:
    """With `collection`, `id`, `fields`; or flat, in a file that is named like its type."""
    full = '{"collection": "Event", "id": "e1", "fields": {"value": 1, "text": "t"}}'
    assert values(items("x.jsonl", full)) == [Record("Event", "e1", {"value": 1, "text": "t"})]
    assert values(items("a/Event.jsonl", '{"id": "e1", "ok": true, "gone": null}')) == [
        Record("Event", "e1", {"ok": True, "gone": None})
    ]


def test_records_of_csv() -> None:
    """Types are inferred cell by cell; `007` stays text, an empty cell is null, a quoted cell may span lines."""
    text = 'id,n,f,ok,code,t,note\n1,42,-4.0,true,007,2026-03-09T06:00:00Z,"two\nlines"\n2,,,FALSE,1.,,-\n'
    assert values(items("Event.csv", text)) == [
        Record(
            "Event",
            "1",
            {"n": 42, "f": -4.0, "ok": True, "code": "007", "t": "2026-03-09T06:00:00Z", "note": "two\nlines"},
        ),
        Record("Event", "2", {"n": None, "f": None, "ok": False, "code": "1.", "t": None, "note": "-"}),
    ]


@pytest.mark.parametrize("name", ["a.md", "a.txt", "a.jsonl", "a.csv"])
@pytest.mark.parametrize("data", [b"", b" \n\n ", b"\xef\xbb\xbf"])
def test_an_empty_file_is_told(name: str, data: bytes) -> None:
    """So that nobody looks for it in vain."""
    assert problems(items(name, data)) == [("empty_file", 0)]


def test_bad_lines_cost_only_themselves() -> None:
    """Each with its line and code; the good ones around them are loaded."""
    lines = [
        b'{"id": "a", "text": "x"}',
        b'{"id": "b", "text": "x"',
        b'{"id": "c", "text": "\xff"}',
        b"[1]",
        b'{"text": "x"}',
        b'{"id": "d", "text": 3}',
        b'{"id": "e", "text": " "}',
        b'{"id": "f", "text": "x", "deep": {"a": 1}}',
        b'{"id": "g", "text": "\\ud800"}',
        b'{"collection": "E", "id": "h", "fields": {"deep": []}}',
        b'{"id": "z", "text": "x"}',
    ]
    found = items("a.jsonl", b"\n".join(lines))
    assert [value.id for value in values(found)] == ["a", "z"]
    assert problems(found) == [
        ("invalid_json", 2),
        ("invalid_utf8", 3),
        ("invalid_row", 4),
        ("missing_id", 5),
        ("invalid_row", 6),
        ("empty_text", 7),
        ("invalid_metadata", 8),
        ("invalid_json", 9),
        ("invalid_record", 10),
    ]


def test_a_file_of_something_else_is_told_once() -> None:
    """Questions are neither passages nor records: one error for the file, not one for each line."""
    row = json.dumps({"id": "q", "question": "Who?", "gold": ["a"]})
    assert problems(items("questions.jsonl", f"{row}\n{row}")) == [("no_text", 1)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name,value\na,1", [("invalid_header", 1)]),
        ("id,id\na,1", [("invalid_header", 1)]),
        ("id,value\na,1\nb\nc,3", [("invalid_row", 3)]),
        ("id,value\n,1", [("missing_id", 2)]),
        ('id,value\na,"x"y\n', [("invalid_csv", 2)]),
        ('id,value\na,"open', [("invalid_csv", 2)]),
    ],
)
def test_bad_csv(text: str, expected: list[tuple[str, int]]) -> None:
    """A header without `id`, rows of another length, broken quotes."""
    assert problems(items("E.csv", text)) == expected


def test_invalid_utf8_is_told_with_its_line() -> None:
    """In Markdown for the whole file, in CSV for the line."""
    assert problems(items("a.md", b"# T\n\nx\xff")) == [("invalid_utf8", 3)]
    found = items("E.csv", b"id,v\na,1\n\xff,2\nb,3")
    assert [value.id for value in values(found)] == ["a", "b"]
    assert problems(found) == [("invalid_utf8", 3)]
    assert problems(items("E.csv", b"id\xff,v\na,1")) == [("invalid_utf8", 1)]


@pytest.mark.parametrize("name", ["a.jsonl", "E.csv"])
def test_a_huge_line_costs_only_itself(name: str) -> None:
    """It is not parsed."""
    good = b'{"id": "a", "text": "x"}' if name == "a.jsonl" else b"id,v"
    lines = [good + b"\n", b"x" * (MAX_LINE + 1), good if name == "a.jsonl" else b"a,1"]
    found = list(load(name, lines))
    assert problems(found) == [("line_too_long", 2)]
    assert values(found)


def test_a_huge_text_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a whole, before it fills the memory."""
    assert problems(load("a.txt", [b"x" * (MAX_LINE + 1)])) == [("line_too_long", 1)]
    monkeypatch.setattr("chatserver.ingest.loaders.MAX_TEXT", 10)
    assert problems(load("a.txt", [b"12345\n"] * 3)) == [("file_too_large", 0)]


def test_a_file_of_nothing_but_errors_is_left_alone() -> None:
    """After a hundred of them, with a last word about it."""
    found = problems(items("a.jsonl", "{\n" * (MAX_PROBLEMS + 50)))
    assert len(found) == MAX_PROBLEMS + 1
    assert found[-1] == ("too_many_errors", 0)


@settings(deadline=None)  # the machine may be busy
@given(st.sampled_from(sorted(LOADERS)), st.lists(st.binary(max_size=40), max_size=6))
def test_no_bytes_are_a_crash(ending: str, lines: list[bytes]) -> None:
    """Whatever a file holds, it gives documents, records or problems, at least one."""
    assert items(f"Name{ending}", b"\n".join(lines))


_scalars = st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(max_size=5))


@settings(deadline=None)  # the machine may be busy
@given(st.lists(st.dictionaries(st.sampled_from(["id", "text", "title", "collection", "fields", "x"]), _scalars)))
def test_no_row_is_a_crash(rows: list[dict[str, object]]) -> None:
    """Fields of wrong types are problems of their lines."""
    found = items("a.jsonl", "\n".join(map(json.dumps, rows)))
    assert len(found) <= len(rows) or not rows


def test_json_is_a_list_of_rows_an_object_of_them_or_one_row() -> None:
    """As they are in JSONL, and as `POST /v1/ingest` takes them; an item is told by its place."""
    document = {"id": "a", "title": "T", "text": "x"}
    record = {"collection": "Pump", "id": "P-1", "fields": {"bar": 3}}
    both = [Document("a", "T", "x"), Record("Pump", "P-1", {"bar": 3})]
    assert values(items("a.json", json.dumps([document, record]))) == both
    assert values(items("a.json", json.dumps({"documents": [document], "records": [record]}, indent=2))) == both
    assert values(items("a.json", json.dumps(document))) == both[:1]
    assert values(items("Pump.json", '[{"id": "P-1", "bar": 3}]')) == both[1:]
    assert problems(items("a.json", json.dumps([document, 7, document]))) == [("invalid_row", 2)]
    assert problems(items("a.json", '{"settings": true}')) == [("no_text", 1)]
    assert problems(items("a.json", '[\n{"id": }]')) == [("invalid_json", 2)]


def test_json_may_be_one_long_line() -> None:
    """Longer than a row of JSONL."""
    text = "x" * (MAX_LINE + 1)
    assert values(items("a.json", json.dumps([{"id": "a", "text": text}]))) == [Document("a", "", text)]


def test_wide_text_with_its_mark_is_text() -> None:
    """UTF-16, as Windows writes it."""
    (document,) = values(items("a.txt", "Käse".encode("utf-16")))
    assert isinstance(document, Document)
    assert document.text == "Käse"


def test_a_heading_takes_no_longer_than_its_line() -> None:
    """A megabyte of blanks within a heading: the time of a regular expression grew with the cube of them."""
    line = "# a" + " " * 1_000_000 + "b" + " #" * 1_000
    (document,) = values(items("a.md", line))
    assert isinstance(document, Document)
    assert document.title.startswith("a")


def test_types_of_fields_are_inferred_or_declared() -> None:
    """In a CSV file behind the field's name, in JSON beside the fields; a value that can't be of it is told."""
    (inferred,) = values(items("Pump.csv", "id,serial,bar\n1,17,3\n"))
    (declared,) = values(items("Pump.csv", "id,serial:text,bar:number,on:boolean,at:time\n1,17,3,TRUE,2025-03-04\n"))
    assert isinstance(inferred, Record)
    assert isinstance(declared, Record)
    assert inferred.fields == {"serial": 17, "bar": 3}
    assert declared.fields == {"serial": "17", "bar": 3, "on": True, "at": "2025-03-04"}
    assert schema([declared])["Pump"] == {
        "id": "text",
        "serial": "text",
        "bar": "number",
        "on": "boolean",
        "at": "time",
    }
    fields = {"made": "2025-03-04", "n": "1e3"}
    row = {"collection": "Pump", "id": "1", "fields": fields, "types": {"made": "text", "n": "number"}}
    (written,) = values(items("rows.jsonl", json.dumps(row)))
    assert isinstance(written, Record)
    assert (written.fields["n"], schema([written])["Pump"]["made"]) == (1000, "text")
    assert values(items("Pump.csv", "id,a:b\n1,x\n")) == [Record("Pump", "1", {"a:b": "x"})]


@pytest.mark.parametrize("types", [{"n": "number"}, {"n": "boolean"}, {"n": "time"}, {"n": "date"}, ["n"]])
def test_a_value_that_is_not_of_its_type_is_told(types: object) -> None:
    """So is a type that there is not."""
    row = {"collection": "Pump", "id": "1", "fields": {"n": "many"}, "types": types}
    assert problems(items("rows.jsonl", json.dumps(row))) == [("invalid_type", 1)]
