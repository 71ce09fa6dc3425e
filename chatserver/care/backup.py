"""A backup: a directory with a copy of every file and a manifest that says what each has to be."""

import hashlib
import json
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any, Final

from chatserver import __version__
from chatserver.care.errors import CareError
from chatserver.care.manifest import Backup
from chatserver.care.snapshot import copy_database, moment
from retrieval.embedded.database import FORMAT

MANIFEST: Final = "backup.json"
_BLOCK: Final = 1 << 20


def back_up(
    directory: Path, target: Path, *, elsewhere: Sequence[str] = (), clock: Callable[[], float] = time.time
) -> Backup:
    """Everything in the data directory as it is at one instant, into a new directory; complete once it is there under
    its name, and on the disk. Raises `CareError`."""
    if target.exists():
        raise CareError(f"{target} is there already; a backup is a new directory", code="backup_exists")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f"{target.name}.", suffix=".part", dir=target.parent))
        try:
            backup = _fill(directory, made, elsewhere, clock())
            made.rename(target)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        _sync(target.parent)
    except (OSError, sqlite3.Error) as error:
        raise CareError(f"the backup could not be made: {error}", code="backup_failed") from error
    return backup


def read_backup(source: Path) -> Backup:
    """Its manifest. Raises `CareError` when this is no backup, or one of a later version."""
    try:
        told = json.loads((source / MANIFEST).read_text("utf-8"))
        files = {str(name): (int(size), str(digest)) for name, (size, digest) in told["files"].items()}
        backup = Backup(**{**told, "files": files})
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise CareError(f"{source} is no backup of chatserver", code="no_backup") from None
    if backup.format > FORMAT:
        raise CareError(
            f"{source} was made by chatserver {backup.version}, whose data this version can't read", code="newer_data"
        )
    if any(PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts for name in files):
        raise CareError(f"{source} names files that no backup has", code="no_backup")
    return backup


def restore(source: Path, directory: Path) -> Backup:
    """Into a data directory that is empty. Every file is compared with the manifest before the first one takes its
    place. Raises `CareError`: then the directory is as it was."""
    backup = read_backup(source)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if any(path.name != "lost+found" for path in directory.iterdir()):
            said = f"{directory} is not empty; move it away, or name another with --data-dir"
            raise CareError(said, code="data_dir_not_empty")
        made = Path(tempfile.mkdtemp(prefix=".restore-", dir=directory))
        try:
            for name, (size, digest) in backup.files.items():
                _take(source / name, made / name, size, digest)
            for path in sorted(made.iterdir()):
                path.rename(directory / path.name)
        finally:
            shutil.rmtree(made, ignore_errors=True)
        _sync(directory)
    except OSError as error:
        raise CareError(f"the backup could not be restored: {error}", code="restore_failed") from error
    return backup


def _fill(directory: Path, made: Path, elsewhere: Sequence[str], at: float) -> Backup:
    with moment(directory) as then:
        for name, reader in then.databases.items():
            copy_database(reader, made / name, _prepared)
        for name, path in then.files.items():
            (made / name).parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                shutil.copyfile(path, made / name)
        held_s = then.held_s
    files = {path.relative_to(made).as_posix(): _told(path) for path in sorted(made.rglob("*")) if path.is_file()}
    backup = Backup(at, __version__, FORMAT, files, round(held_s, 6), tuple(elsewhere))
    (made / MANIFEST).write_text(json.dumps(asdict(backup), indent=1), "utf-8")
    for path in (made / MANIFEST, *(folder for folder in made.rglob("*") if folder.is_dir()), made):
        _sync(path)
    return backup


def _prepared(copy: sqlite3.Connection) -> None:
    """Raises `sqlite3.DatabaseError` when the copy is damaged."""
    if copy.execute("SELECT 1 FROM sqlite_master WHERE name = 'boots'").fetchone():
        # Whoever opens it takes it for a log after another boot: answers under way get another epoch, so that no
        # reader goes on in what this copy has not.
        copy.execute("DELETE FROM boots")
    ((verdict, *_), *_) = copy.execute("PRAGMA quick_check(1)").fetchall()
    if verdict != "ok":
        raise sqlite3.DatabaseError(f"damaged: {verdict}")


def _take(source: Path, target: Path, size: int, digest: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not source.is_file():
        raise CareError(f"{source} is missing from the backup", code="backup_damaged")
    shutil.copyfile(source, target)
    if _told(target) != (size, digest):
        raise CareError(f"{source} is not what the backup's manifest says it is", code="backup_damaged")


def _told(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file that is on the disk from now on."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
        os.fsync(file.fileno())
    return path.stat().st_size, digest.hexdigest()


def _sync(path: Path) -> None:
    handle: Any = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
