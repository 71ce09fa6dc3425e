"""A job of a server: files are uploaded, progress is read from its events."""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx

from chatserver.cli.errors import CommandError
from chatserver.cli.reach import configured_token
from chatserver.ingest.files import find
from chatserver.ingest.job import Status
from chatserver.ingest.report import Problem, Progress

_LOOK_S = 0.3
_UPLOAD_S = 600.0
_ENDED = frozenset({"completed", "failed", "cancelled"})


async def ingest_there(url: str, paths: Sequence[Path], namespace: str, progress: Progress) -> Status:
    """The job's status when it has ended. An interruption cancels it. Raises `CommandError`."""
    found = await asyncio.to_thread(find, paths)
    if not found.sources:
        problems = found.problems or (Problem("empty_corpus", "there is nothing to ingest"),)
        raise CommandError(f"{problems[0].file} {problems[0].message}".strip(), code=problems[0].code)
    token = configured_token()
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=_UPLOAD_S) as http:
        with ExitStack() as opened:
            files = [("files", (s.name, opened.enter_context(s.path.open("rb")))) for s in found.sources]
            job = await _call(http, "POST", "/v1/ingest", files=files, data={"namespace": namespace})
        try:
            status = await _watched(http, job["status_url"], progress)
        except asyncio.CancelledError:
            await _call(http, "DELETE", job["status_url"])
            raise
    if "result" in status:
        status["result"]["skipped"] += found.skipped
    return status


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
