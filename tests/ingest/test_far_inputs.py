"""A job's files on another machine than the data directory that they lie in: a real Redis, a real spool."""

import io
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest

from chatserver.ingest.elsewhere.errands import BLOCK, READ
from chatserver.ingest.elsewhere.inputs import FarInputs
from chatserver.ingest.elsewhere.stores import Far
from chatserver.ingest.spool import Spool
from retrieval.errors import Permanent
from tests.contracts.far_directory import far_directory
from tests.contracts.redis_server import RedisServer
from tests.ingest.worker import data_directory

T = TypeVar("T")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


@pytest.fixture
async def far(redis: RedisServer, tmp_path: Path, spool: Spool) -> AsyncIterator[Far]:
    async with (
        data_directory(tmp_path) as (ingestion, _, ledger),
        far_directory(redis.url, ingestion, ledger, spool) as way,
    ):
        yield way


async def at_once(work: Callable[[], Awaitable[T]]) -> T:
    return await work()


async def test_what_was_uploaded_is_read_elsewhere(far: Far, spool: Spool, tmp_path: Path) -> None:
    """Byte for byte, by its names, files of several blocks and of none too; afterwards nothing of it is left there."""
    large = os.urandom(2 * BLOCK + 17)
    await spool.keep_file("job", "folder/large.txt", io.BytesIO(large))
    await spool.keep_file("job", "empty.md", io.BytesIO(b""))
    await spool.keep_file("job", "picture.png", io.BytesIO(b"png"))
    await spool.keep_rows("job", [{"id": "a", "text": "one"}])
    async with FarInputs(far, tmp_path / "there").opened({"spool": "job"}, at_once) as found:
        read = {source.name: source.path.read_bytes() for source in found.sources}
    assert read == {"items.jsonl": b'{"id":"a","text":"one"}\n', "empty.md": b"", "folder/large.txt": large}
    assert (list(found.skipped), list(found.problems)) == (["picture.png"], [])
    assert list((tmp_path / "there").iterdir()) == []


async def test_files_of_one_name_are_read_elsewhere(far: Far, spool: Spool, tmp_path: Path) -> None:
    """Both, and told apart as at the directory."""
    for content in (b"one", b"two"):
        await spool.keep_file("job", "a.md", io.BytesIO(content))
    async with FarInputs(far, tmp_path / "there").opened({"spool": "job"}, at_once) as found:
        read = {source.file: source.path.read_bytes() for source in found.sources}
    assert read == {"a.md": b"one", "a.md (2)": b"two"}


async def test_no_link_leads_out_elsewhere(far: Far, tmp_path: Path) -> None:
    """Of a job's allowed directories: neither listed nor read, whoever asks for it."""
    (tmp_path / "allowed").mkdir()
    (tmp_path / "secret.md").write_text("secret")
    (tmp_path / "allowed" / "link.md").symlink_to("../secret.md")
    given = {"paths": [str(tmp_path / "allowed")], "within": [str(tmp_path / "allowed")]}
    async with FarInputs(far, tmp_path / "there").opened(given, at_once) as found:
        assert ([problem.code for problem in found.problems], found.sources) == (["forbidden"], ())
    with pytest.raises(Permanent) as refused:
        await far.ask(READ, (given, 0, "link.md", 0))
    assert refused.value.code == "input_gone"


async def test_paths_of_the_servers_machine_are_read_elsewhere(far: Far, tmp_path: Path) -> None:
    """A file, a folder, and one that is not there, which is a problem."""
    (tmp_path / "notes").mkdir()
    for name in ("notes/a.md", "b.md"):
        (tmp_path / name).write_text(name)
    given = {"paths": [str(tmp_path / name) for name in ("notes", "b.md", "nowhere")]}
    async with FarInputs(far, tmp_path / "there").opened(given, at_once) as found:
        read = {source.name: source.path.read_text() for source in found.sources}
    assert read == {"a.md": "notes/a.md", "b.md": "b.md"}
    assert [problem.code for problem in found.problems] == ["not_found"]


async def test_what_is_gone_is_said_to_be(far: Far, tmp_path: Path) -> None:
    """With the code that the job fails with."""
    with pytest.raises(Permanent) as caught:
        async with FarInputs(far, tmp_path / "there").opened({"spool": "nowhere"}, at_once):
            pass
    assert caught.value.code == "input_gone"


@pytest.mark.parametrize("name", ["../secret.md", "/etc/passwd", "a/../../secret.md"])
async def test_no_name_leads_out_of_a_job(far: Far, spool: Spool, tmp_path: Path, name: str) -> None:
    """Whoever asks: what lies beside the job is not read."""
    await spool.keep_file("job", "a.md", io.BytesIO(b"a"))
    for folder in (tmp_path / "spool", tmp_path / "spool/job"):
        (folder / "secret.md").write_text("secret")
    with pytest.raises(Permanent) as caught:
        await far.ask(READ, ({"spool": "job"}, 0, name, 0))
    assert caught.value.code == "input_gone"


async def test_what_a_killed_worker_has_left_goes_in_time(far: Far, spool: Spool, tmp_path: Path) -> None:
    """After a week, with the next job that comes; what is younger may be another's."""
    for name, age_s in (("old", 8 * 86_400), ("young", 3_600)):
        left = tmp_path / "there" / name
        left.mkdir(parents=True)
        os.utime(left, (left.stat().st_mtime - age_s,) * 2)
    await spool.keep_file("job", "a.md", io.BytesIO(b"a"))
    async with FarInputs(far, tmp_path / "there").opened({"spool": "job"}, at_once):
        pass
    assert [path.name for path in (tmp_path / "there").iterdir()] == ["young"]
