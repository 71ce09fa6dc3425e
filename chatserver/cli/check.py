"""`chatserver check`: is the configuration right, and does everything that it names answer?"""

import asyncio
import json as json_format
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from chatserver.cli import terminal
from chatserver.cli.check_knowledge import (
    check_cache,
    check_documents,
    check_embedder,
    check_graph,
    check_vectors,
    held,
)
from chatserver.cli.check_workers import check_workers
from chatserver.cli.configuration import read_settings
from chatserver.cli.errors import CommandError, explained
from chatserver.cli.logs import keep_logs_off_the_screen
from chatserver.server_config import load_server_config
from chatserver.settings import Settings
from chatserver.wiring import file_faults, open_holdings, reach_answers

TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Finding:
    """`message` says what is so, and when it is not `ok`, what to do."""

    name: str
    ok: bool
    message: str


def check(*, integrity: bool, data_dir: Path | None, json: bool) -> int:
    """The exit code: 0 when all is well, 1 otherwise."""
    keep_logs_off_the_screen()
    findings = asyncio.run(_check_all(data_dir, integrity))
    ok = all(finding.ok for finding in findings)
    if json:
        print(json_format.dumps({"ok": ok, "checks": [asdict(finding) for finding in findings]}))
    else:
        for finding in findings:
            mark, style = ("✓", "green") if finding.ok else ("✗", "red")
            terminal.say(f"{mark} {finding.name}: {finding.message}", style=style)
    return 0 if ok else 1


async def _check_all(data_dir: Path | None, integrity: bool) -> list[Finding]:
    findings = [await _checked("server", _check_server)]
    try:
        settings = read_settings(data_dir)
    except Exception as error:
        return [*findings, Finding("settings", False, _reason(error))]
    findings.append(Finding("settings", True, "valid"))
    if integrity:
        findings.append(await _check_files(settings.storage.data_dir))
    findings += await _check_knowledge(settings)
    findings.append(await _checked("embedding cache", lambda: check_cache(settings)))
    findings.append(await _checked("answer log", lambda: reach_answers(settings)))
    if settings.redis.url is not None:
        findings.append(await _checked("workers", lambda: check_workers(settings)))
    findings.append(await _checked("model", lambda: _check_model(settings)))
    return findings


async def _checked(name: str, work: Callable[[], Awaitable[str]]) -> Finding:
    """The work's message, or why it failed."""
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return Finding(name, True, await work())
    except TimeoutError:
        return Finding(name, False, f"no answer within {TIMEOUT_S:.0f} s")
    except Exception as error:
        return Finding(name, False, _reason(error))


async def _check_files(directory: Path) -> Finding:
    """As long as it takes."""
    try:
        found = await asyncio.to_thread(file_faults, directory)
    except Exception as error:
        return Finding("files", False, _reason(error))
    if found:
        return Finding("files", False, f"{'; '.join(found)}. Restore a backup (docs/data.md)")
    return Finding("files", True, f"every page of {directory} reads as it was written, and no answer's log has a hole")


async def _check_server() -> str:
    options = load_server_config()
    return f"will listen on {options['host']}:{options['port']}"


async def _check_knowledge(settings: Settings) -> list[Finding]:
    directory = settings.storage.data_dir
    try:
        async with open_holdings(settings) as holdings:
            passages = await held(holdings)
            return [
                await _checked("data directory", lambda: check_documents(settings, holdings, passages)),
                await _checked("embedder", lambda: check_embedder(holdings)),
                await _checked("vectors", lambda: check_vectors(settings, holdings, passages)),
                await _checked("graph", lambda: check_graph(settings, holdings, passages)),
            ]
    except Exception as error:
        return [
            Finding("data directory", False, f"{directory} cannot be opened: {_reason(error)}"),
            await _checked("graph", lambda: check_graph(settings, None, {})),
        ]


async def _check_model(settings: Settings) -> str:
    model = settings.model
    match model.kind:
        case "extractive":
            return "extractive: answers quote the sources; set OPENAI_API_KEY or OPENAI_BASE_URL for a language model"
        case "scripted":
            return "scripted: answers are made up for tests"
        case "openai":
            return await _reach_model(settings)


async def _reach_model(settings: Settings) -> str:
    model = settings.model
    base_url = (model.base_url or "https://api.openai.com/v1").rstrip("/")
    headers = {"Authorization": f"Bearer {model.api_key.get_secret_value()}"} if model.api_key else {}
    try:
        async with httpx.AsyncClient(timeout=TIMEOUT_S) as http:
            response = await http.get(f"{base_url}/models", headers=headers)
    except httpx.HTTPError as error:
        raise CommandError(
            f"{base_url} does not answer ({type(error).__name__}); is OPENAI_BASE_URL right?", code="model_unavailable"
        ) from None
    return _read_models(response, base_url, model.effective_name)


def _read_models(response: httpx.Response, base_url: str, name: str) -> str:
    if response.status_code in {401, 403}:
        raise CommandError(f"{base_url} does not accept OPENAI_API_KEY", code="model_unauthorized")
    if response.is_server_error:
        raise CommandError(f"{base_url} answers HTTP {response.status_code}", code="model_unavailable")
    try:
        offered = {entry["id"] for entry in response.json()["data"]}
    except (ValueError, KeyError, TypeError):
        return f"{base_url} answers; whether it has {name} shows with the first question"
    if offered and name not in offered:
        some = ", ".join(sorted(offered)[:5])
        raise CommandError(
            f"{base_url} has no {name}; set CHATSERVER_MODEL, for example to {some}", code="no_such_model"
        )
    return f"{name} at {base_url}"


def _reason(error: BaseException) -> str:
    return explained(error) or f"{type(error).__name__}: {error}"
