"""The files below some paths, and their lines."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import orjson

from chatserver.ingest.kinds import HEAD, PARSED, told_otherwise
from chatserver.ingest.loaders import LOADERS, MAX_LINE
from chatserver.ingest.report import Problem


@dataclass(frozen=True, slots=True)
class Source:
    """A file to load. `name` is its path below the directory that was asked for: the id of its document."""

    path: Path
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Found:
    sources: tuple[Source, ...]
    skipped: tuple[str, ...]
    problems: tuple[Problem, ...]


def find(paths: Iterable[Path]) -> Found:
    """The files to load. Directories are walked in sorted order; hidden files are left out, and so are those of
    questions, which hold no knowledge. Blocks."""
    sources: list[Source] = []
    skipped: list[str] = []
    problems: list[Problem] = []
    for root in paths:
        if not root.exists():
            problems.append(Problem("not_found", "no such file or directory", str(root)))
        for path in _walk(root):
            name = path.relative_to(root).as_posix() if root.is_dir() else path.name
            if _is_read(name) and (path == root or not _holds_questions(path)):
                sources.append(Source(path, name, path.stat().st_size))
            else:
                skipped.append(name)
    return Found(tuple(sources), tuple(skipped), tuple(problems))


def _is_read(name: str) -> bool:
    ending = PurePosixPath(name).suffix.lower()
    return ending in LOADERS or ending in PARSED


def misnamed(source: Source) -> Problem | None:
    """What is wrong with the file before it is read: there is nothing in it, or it is of another kind than it is
    called. Raises OSError. Blocks."""
    if not source.size:
        return Problem("empty_file", "the file has nothing in it", source.name)
    with source.path.open("rb") as file:
        found = told_otherwise(source.name, file.read(HEAD))
    ending = PurePosixPath(source.name).suffix
    return Problem("wrong_type", f"it is called {ending}, but is {found}", source.name) if found else None


def _walk(root: Path) -> Iterator[Path]:
    if root.is_file():
        yield root
    elif root.is_dir():
        for path in sorted(root.iterdir()):
            if not path.name.startswith("."):
                yield from _walk(path)


def _holds_questions(path: Path) -> bool:
    """As the benchmarks read them: rows of `question` and `gold`, without a `text`."""
    if path.suffix.lower() != ".jsonl":
        return False
    try:
        first = orjson.loads(next(iter(Lines(path)), b""))
    except (OSError, orjson.JSONDecodeError):
        return False  # whoever loads it tells
    return isinstance(first, dict) and {"question", "gold"} <= first.keys() and "text" not in first


class Lines:
    """The lines of a file, one at a time; of a line longer than `longest` only one byte more. `consumed` bytes are
    read so far. Raises OSError. Blocks."""

    def __init__(self, path: Path, longest: int = MAX_LINE) -> None:
        self._path = path
        self._longest = longest
        self.consumed = 0

    def __iter__(self) -> Iterator[bytes]:
        with self._path.open("rb") as file:
            while line := file.readline(self._longest + 1):
                self.consumed += len(line)
                yield line
                while len(line) > self._longest and not line.endswith(b"\n"):
                    line = file.readline(self._longest + 1)
                    self.consumed += len(line)
