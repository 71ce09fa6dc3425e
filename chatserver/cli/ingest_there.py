"""A job of a server: files are uploaded, progress is read from its events."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import httpx

from chatserver.cli.errors import CommandError
from chatserver.cli.reach import configured_token
from chatserver.ingest.files import Found, find
from chatserver.ingest.job import Status
from chatserver.ingest.report import Problem, Progress

_LOOK_S = 0.3
_UPLOAD_S = 600.0
_ENDED = frozenset({"completed", "failed", "cancelled"})


async def ingest_there(url: str, paths: Sequence[Path], namespace: str, progress: Progress) -> Status:
    """The job's status when it has ended. An interruption cancels it. Raises `CommandError`."""
    found = await asyncio.to_thread(_readable, paths)
    if not found.sources:
        problems = found.problems or (Problem("empty_corpus", "there is nothing to ingest"),)
        raise CommandError(f"{problems[0].file} {problems[0].message}".strip(), code=problems[0].code)
    token = configured_token()
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=_UPLOAD_S) as http:
        files = [("files", (source.name, cast("BinaryIO", _Upload(source.path)))) for source in found.sources]
        job = await _call(http, "POST", "/v1/ingest", files=files, data={"namespace": namespace})
        try:
            status = await _watched(http, job["status_url"], progress)
        except asyncio.CancelledError:
            await _call(http, "DELETE", job["status_url"])
            raise
    status["problems"] = [asdict(problem) for problem in found.problems] + status["problems"]
    if "result" in status:
        status["result"]["skipped"] += found.skipped
        status["result"]["left_out"] += len(found.problems)
    return status


def _readable(paths: Sequence[Path]) -> Found:
    found = find(paths)
    closed = {source.file for source in found.sources if not os.access(source.path, os.R_OK)}
    problems = tuple(Problem("unreadable_file", "it can't be read", file) for file in sorted(closed))
    return replace(
        found,
        sources=tuple(source for source in found.sources if source.file not in closed),
        problems=found.problems + problems,
    )


class _Upload:
    """A file of a form that is open only while it is sent: a thousand of them are not open at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def read(self, size: int = -1) -> bytes:
        if self._file is None:
            self._file = self._path.open("rb")
        block = self._file.read(size)
        if not block:
            self._file.close()
        return block


async def _watched(http: httpx.AsyncClient, status_url: str, progress: Progress) -> Status:
    while True:
        status: Status = await _call(http, "GET", status_url)
        for stage, counts in status["stages"].items():
            progress(stage, counts["done"], counts["total"])
        if status["status"] in _ENDED:
            return status
        await asyncio.sleep(_LOOK_S)


async def _call(http: httpx.AsyncClient, method: str, path: str, **options: Any) -> Any:
    try:
        response = await http.request(method, path, **options)
    except httpx.HTTPError:
        raise CommandError(f"{http.base_url} does not answer", code="unreachable") from None
    if response.is_error:
        problem = response.json() if "json" in response.headers.get("content-type", "") else {}
        raise CommandError(problem.get("detail", f"HTTP {response.status_code}"), code=problem.get("code", "refused"))
    return response.json()
