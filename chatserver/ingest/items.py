"""The documents, records and problems of files, as one stream."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import PurePosixPath
from typing import Final, TypeVar

from chatserver.ingest.files import Lines, Source, misnamed
from chatserver.ingest.formats.parsed import Parsed, Unreadable
from chatserver.ingest.kinds import format_of
from chatserver.ingest.loaders import Item, Loaded, load, longest_line
from chatserver.ingest.parsing import FileParser
from chatserver.ingest.report import Problem, Progress
from graph.names import title_names
from graph.types import Entity
from retrieval.types import Document

T = TypeVar("T")

_READ: Final = 64  # items read in one go off the loop
_NAMED: Final = 1_000  # documents whose names are told at a time


async def items_of(sources: Sequence[Source], parser: FileParser, progress: Progress) -> AsyncIterator[Item]:
    """The items of all files, read off the loop a few at a time, or parsed in another process."""
    total = sum(source.size for source in sources)
    before = 0
    for source in sources:
        if format := format_of(source.name):
            yield _of(source, await _parsed(source, format, parser))
            before += source.size
            progress("load", before, total)
            continue
        lines = Lines(source.path, longest_line(source.name))
        items = _readable(source, lines)
        while some := await asyncio.to_thread(_take, items, _READ):
            progress("load", before + lines.consumed, total)
            for item in some:
                yield _of(source, item)
        before += source.size
        progress("load", before, total)


async def names_of(sources: Sequence[Source]) -> AsyncIterator[Sequence[Entity]]:
    """What the documents of all files that are read line by line are called. What is wrong with a file is told when it
    is read for good."""
    for source in sources:
        if not format_of(source.name):
            called = _called(_readable(source, Lines(source.path, longest_line(source.name))))
            while some := await asyncio.to_thread(_take, called, _NAMED):
                yield [name for names in some for name in names]


def _of(source: Source, item: Item) -> Item:
    return item if source.copy == 1 else replace(item, file=source.file)


def _called(items: Iterable[Item]) -> Iterator[Sequence[Entity]]:
    for item in items:
        if isinstance(item, Loaded) and isinstance(item.value, Document):
            yield title_names(item.value.title)


def _take(items: Iterator[T], most: int) -> list[T]:
    return list(islice(items, most))


def _readable(source: Source, lines: Lines) -> Iterator[Item]:
    try:
        if problem := misnamed(source):
            yield problem
        else:
            yield from load(source.name, lines)
    except OSError:
        yield Problem("unreadable_file", "the file can't be read", source.name)


async def _parsed(source: Source, format: str, parser: FileParser) -> Item:
    try:
        if problem := await asyncio.to_thread(misnamed, source):
            return problem
        return Loaded(_document(source.name, format, await parser.parse(source.path, format)), source.name)
    except Unreadable as error:
        return Problem(error.code, str(error), source.name)
    except OSError:
        return Problem("unreadable_file", "the file can't be read", source.name)


def _document(name: str, format: str, parsed: Parsed) -> Document:
    return Document(name, parsed.title or PurePosixPath(name).stem, parsed.text, {"format": format, **parsed.metadata})
