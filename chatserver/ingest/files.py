"""The files below some paths, and their lines."""

import errno
import os
import stat
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import orjson

from chatserver.ingest.kinds import HEAD, PARSED, told_otherwise
from chatserver.ingest.loaders import LOADERS, MAX_LINE
from chatserver.ingest.report import Problem


@dataclass(frozen=True, slots=True)
class Source:
    """A file to load. `name` is its path below the directory that was asked for: the id of its document. `copy` counts
    the files of that name, where several directories hold one."""

    path: Path
    name: str
    size: int
    copy: int = 1

    @property
    def file(self) -> str:
        """What the file is told by: no other one is called so."""
        return self.name if self.copy == 1 else f"{self.name} ({self.copy})"


@dataclass(frozen=True, slots=True)
class Found:
    sources: tuple[Source, ...]
    skipped: tuple[str, ...]
    problems: tuple[Problem, ...]


def find(paths: Iterable[Path], within: Sequence[Path] = ()) -> Found:
    """The files to load. Directories are walked in sorted order, each once, however many links lead to it; hidden files
    are left out, and so are those of questions, which hold no knowledge. With `within`, no link is followed that leads
    out of these directories. Blocks."""
    sources: list[Source] = []
    skipped: list[str] = []
    problems: list[Problem] = []
    for root in paths:
        for path, size in _walk(root, within, problems):
            name = _name(path, root)
            if size is None or not _is_read(name) or (path != root and _holds_questions(path)):
                skipped.append(printable(name))
            elif name != printable(name):
                problems.append(Problem("invalid_name", "its name is not UTF-8", printable(name)))
            else:
                sources.append(Source(path, name, size))
    return Found(told_apart(sources), tuple(skipped), tuple(problems))


def told_apart(sources: Iterable[Source]) -> tuple[Source, ...]:
    """The same, files of one name counted."""
    copies: Counter[str] = Counter()
    counted = []
    for source in sources:
        copies[source.name] += 1
        counted.append(source if copies[source.name] == 1 else replace(source, copy=copies[source.name]))
    return tuple(counted)


def is_within(path: Path, directories: Iterable[Path | str]) -> bool:
    """Whether it lies in one of these, wherever links lead. Blocks."""
    real = Path(os.path.realpath(path))  # unlike `Path.resolve` takes a link that leads to itself as it is
    return any(real.is_relative_to(os.path.realpath(directory)) for directory in directories)


def printable(path: Path | str) -> str:
    """The path as it can be told: bytes that are not UTF-8 are replaced."""
    return str(path).encode(errors="replace").decode()


def _name(path: Path, root: Path) -> str:
    return path.name if path == root else path.relative_to(root).as_posix()


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


def _walk(root: Path, within: Sequence[Path], problems: list[Problem]) -> Iterator[tuple[Path, int | None]]:
    """Each file and its size, None when it is none to read (a pipe, a device). What directories hold themselves comes
    before what links lead to: a directory's files are called by their own place."""
    seen: set[tuple[int, int]] = set()
    own, linked = [root], deque[Path]()
    while own or linked:
        path = own.pop() if own else linked.popleft()
        try:
            status = path.stat()
            if not stat.S_ISDIR(status.st_mode):
                yield path, status.st_size if stat.S_ISREG(status.st_mode) else None
            elif (place := (status.st_dev, status.st_ino)) not in seen:
                seen.add(place)
                files, links = _entries(path, root, within, problems)
                own += files
                linked += links
        except (OSError, ValueError) as error:
            problems.append(_unreadable(path, root, error))


def _entries(
    directory: Path, root: Path, within: Sequence[Path], problems: list[Problem]
) -> tuple[list[Path], list[Path]]:
    """What the directory holds, last first, and its links to directories. Raises OSError."""
    own: list[Path] = []
    links: list[Path] = []
    with os.scandir(directory) as scan:
        entries = sorted((entry for entry in scan if not entry.name.startswith(".")), key=lambda entry: entry.name)
    for entry in entries:
        path = directory / entry.name
        if entry.is_symlink() and within and not is_within(path, within):
            problems.append(Problem("forbidden", "a link that leads to where nothing may be read", _told(path, root)))
        else:
            (links if entry.is_symlink() and os.path.isdir(path) else own).append(path)
    return own[::-1], links


def _unreadable(path: Path, root: Path, error: Exception) -> Problem:
    file = _told(path, root)
    gone = isinstance(error, FileNotFoundError) or getattr(error, "errno", None) == errno.ELOOP
    if gone and os.path.islink(path):
        return Problem("not_found", "a link that leads nowhere", file)
    if gone:
        return Problem("not_found", "no such file or directory", file)
    return Problem("unreadable_file", "it can't be read", file)


def _told(path: Path, root: Path) -> str:
    return printable(root if path == root else _name(path, root))


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
