"""Files to documents and records: pure functions from lines of bytes. What can't be read is told as a `Problem` and
left out; the rest goes on."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import PurePosixPath
from typing import Any, Final, TypeAlias

import orjson

from chatserver.ingest.field_types import checked, converted, named
from chatserver.ingest.markdown import headings
from chatserver.ingest.report import Problem
from graph.types import Record
from retrieval.types import Document, Scalar

MAX_LINE: Final = 4 * 1024 * 1024
"""Bytes in one line at most; readers hand on one byte more of a longer one, so that it is told."""
MAX_TEXT: Final = 32 * 1024 * 1024
"""Bytes in one Markdown or text file at most."""
MAX_PROBLEMS: Final = 100
"""In one file; after as many the rest of it is left alone."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A document or a record, and the line that it came from (0: the whole file)."""

    value: Document | Record
    file: str
    line: int = 0


Item: TypeAlias = Loaded | Problem
Loader: TypeAlias = Callable[[str, Iterable[bytes]], Iterator[Item]]
"""`(name, lines)`: `name` is the file's path below what was asked for, with `/`."""

_TYPE_NAME = re.compile(r"[A-Z]\w*")
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})")
_FLOAT = re.compile(r"-?(0|[1-9]\d*)(\.\d+)([eE][+-]?\d{1,3})?")
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_BOOLEANS = {"true": True, "false": False}


def longest_line(name: str) -> int:
    """Bytes in one line of a file at most: JSON often is all in one."""
    return MAX_TEXT if PurePosixPath(name).suffix.lower() == ".json" else MAX_LINE


def load(name: str, lines: Iterable[bytes]) -> Iterator[Item]:
    """The items of one file by its ending, which must be one of `LOADERS`; gives up after `MAX_PROBLEMS`."""
    problems = 0
    empty = True
    for item in LOADERS[PurePosixPath(name).suffix.lower()](name, lines):
        empty = False
        yield item
        problems += isinstance(item, Problem)
        if problems == MAX_PROBLEMS:
            yield Problem("too_many_errors", f"left alone after {MAX_PROBLEMS} errors", name)
            return
    if empty:
        yield Problem("empty_file", "the file has nothing in it", name)


def _markdown(name: str, lines: Iterable[bytes]) -> Iterator[Item]:
    for item in _whole(name, lines):
        if isinstance(item, str):
            title = next((words for _, words in headings(item)), _stem(name))
            yield Loaded(Document(name, title, item, {"format": "markdown"}), name)
        else:
            yield item


def _text(name: str, lines: Iterable[bytes]) -> Iterator[Item]:
    for item in _whole(name, lines):
        if isinstance(item, str):
            yield Loaded(Document(name, _stem(name), item, {"format": "text"}), name)
        else:
            yield item


def _whole(name: str, lines: Iterable[bytes]) -> Iterator[str | Problem]:
    """The file's text, or why there is none; nothing for a blank file."""
    data = bytearray()
    longest = longest_line(name)
    for number, line in enumerate(lines, 1):
        data += line
        if len(line) > longest:
            yield Problem("line_too_long", f"more than {longest} bytes", name, number)
            return
        if len(data) > MAX_TEXT:
            yield Problem("file_too_large", f"more than {MAX_TEXT} bytes", name)
            return
    try:
        text = data.decode("utf-16" if data.startswith(_WIDE) else "utf-8-sig")
    except UnicodeDecodeError as error:
        yield Problem("invalid_utf8", "not UTF-8", name, data.count(b"\n", 0, error.start) + 1)
        return
    if text.strip():
        yield text


def _jsonl(name: str, lines: Iterable[bytes]) -> Iterator[Item]:
    for number, line in _decoded(name, lines):
        if isinstance(line, Problem):
            yield line
            continue
        if not line.strip():
            continue
        item = _row(name, number, line)
        yield item
        if isinstance(item, Problem) and item.code == "no_text":
            return  # all rows are alike: one complaint is enough


def _row(name: str, number: int, line: str) -> Item:
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return Problem("invalid_json", f"not JSON: {error.msg}", name, number)
    return _item(name, number, row)


def _json(name: str, lines: Iterable[bytes]) -> Iterator[Item]:
    """A list of rows, an object that has them as `documents` and `records`, or one row. The line of an item is its
    place in the file, from 1."""
    for text in _whole(name, lines):
        if isinstance(text, Problem):
            yield text
            return
        try:
            held = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            yield Problem("invalid_json", f"not JSON: {error.msg}", name, error.lineno)
            return
        for number, row in enumerate(_rows(held), 1):
            item = _item(name, number, row)
            yield item
            if isinstance(item, Problem) and item.code == "no_text":
                return


def _rows(held: Any) -> list[Any]:
    if isinstance(held, list):
        return held
    if isinstance(held, dict):
        groups = [held[key] for key in ("documents", "records") if isinstance(held.get(key), list)]
        return list(chain(*groups)) if groups else [held]
    return [held]


def _item(name: str, number: int, row: Any) -> Item:
    if not isinstance(row, dict):
        return Problem("invalid_row", "not a JSON object", name, number)
    try:
        return Loaded(_value(name, row), name, number)
    except _Refused as refused:
        return Problem(refused.code, str(refused), name, number)


class _Refused(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _value(name: str, row: dict[str, Any]) -> Document | Record:
    if "text" in row and "fields" not in row:
        return _passage(row)
    if "collection" in row and isinstance(row.get("fields"), dict):
        fields = {**row["fields"], "id": row.get("id")}
        return _record(_words_of(row, "collection"), fields, row.get("types"))
    if _TYPE_NAME.fullmatch(_stem(name)):
        return _record(_stem(name), row)
    raise _Refused(
        "no_text",
        "rows have neither `text` nor `collection` and `fields`; a file of records is named like its type "
        "(TelemetryEvent.jsonl)",
    )


def _passage(row: dict[str, Any]) -> Document:
    rest = {key: value for key, value in row.items() if key not in ("id", "title", "text") and value is not None}
    title = row.get("title") or ""
    if not isinstance(row["text"], str) or not isinstance(title, str):
        raise _Refused("invalid_row", "`text` and `title` have to be strings")
    if not row["text"].strip():
        raise _Refused("empty_text", "`text` is empty")
    metadata = {key: _metadata(key, value) for key, value in rest.items()}
    return Document(_words_of(row, "id"), title, row["text"], metadata)


def _metadata(key: str, value: Any) -> Scalar | tuple[str, ...]:
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise _Refused("invalid_metadata", f"`{key}` is neither a plain value nor a list of strings")


def _record(collection: str, row: Mapping[str, Any], declared: object = None) -> Record:
    fields = {key: value for key, value in row.items() if key != "id"}
    nested = [key for key, value in fields.items() if not isinstance(value, str | int | float | None)]
    if nested:
        raise _Refused("invalid_record", f"`{nested[0]}` is not a plain value")
    try:
        types = checked(declared or {})
        typed = {key: converted(value, types[key]) if key in types else value for key, value in fields.items()}
    except ValueError as error:
        raise _Refused("invalid_type", str(error)) from None
    return Record(collection, _words_of(row, "id"), typed, types)


def _words_of(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise _Refused(f"missing_{key}", f"`{key}` has to be a string")
    return value


def _csv(name: str, lines: Iterable[bytes]) -> Iterator[Item]:
    """Rows of records; the first line names the fields, among them `id`. A quoted cell may span lines."""
    texts = _decoded(name, lines)
    first = next(((number, line) for number, line in texts if isinstance(line, Problem) or line.strip()), None)
    if first is None:
        return
    if isinstance(first[1], Problem):
        yield first[1]
        return
    problems: list[Problem] = []
    reader = csv.reader(chain([first[1]], _kept(texts, problems)), strict=True)
    try:
        header = dict(map(named, columns := next(reader)))
        names = list(header)
        if "id" not in names or len(names) < len(columns):
            yield Problem("invalid_header", "the first line has to name each field once, `id` among them", name, 1)
            return
        for cells in reader:
            yield from problems
            problems.clear()
            if cells:
                yield _cells(name, reader.line_num, header, cells)
    except csv.Error as error:
        yield Problem("invalid_csv", str(error), name, reader.line_num)
    yield from problems


def _kept(texts: Iterable[tuple[int, str | Problem]], problems: list[Problem]) -> Iterator[str]:
    for _, line in texts:
        if isinstance(line, Problem):
            problems.append(line)
        else:
            yield line


def _cells(name: str, number: int, header: Mapping[str, str], cells: list[str]) -> Item:
    """`header` has each field's declared type, "" where it is inferred."""
    if len(cells) != len(header):
        return Problem("invalid_row", f"{len(cells)} cells, {len(header)} fields", name, number)
    row = dict(zip(header, cells, strict=True))
    types = {key: type for key, type in header.items() if type}
    fields: dict[str, Any] = {key: cell.strip() or None if key in types else _typed(cell) for key, cell in row.items()}
    try:
        return Loaded(_record(_stem(name), {**fields, "id": row["id"]}, types), name, number)
    except _Refused as refused:
        return Problem(refused.code, str(refused), name, number)


def _typed(cell: str) -> Scalar | None:
    """A cell's value: `007` stays text, an empty cell is null."""
    cell = cell.strip()
    if _INTEGER.fullmatch(cell):
        return int(cell)
    if _FLOAT.fullmatch(cell):
        return float(cell)
    return _BOOLEANS.get(cell.lower(), cell) if cell else None


def _decoded(name: str, lines: Iterable[bytes]) -> Iterator[tuple[int, str | Problem]]:
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE:
            yield number, Problem("line_too_long", f"more than {MAX_LINE} bytes", name, number)
            continue
        try:
            yield number, line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            yield number, Problem("invalid_utf8", "not UTF-8", name, number)


def _stem(name: str) -> str:
    return PurePosixPath(name).stem


LOADERS: Final[Mapping[str, Loader]] = {
    ".md": _markdown,
    ".markdown": _markdown,
    ".txt": _text,
    ".jsonl": _jsonl,
    ".json": _json,
    ".csv": _csv,
}
