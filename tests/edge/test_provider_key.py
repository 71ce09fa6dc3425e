"""A question with a key of its own: from its frame to the header that a model server gets, on the real system
with a model server of ours."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from chatserver.answers.meta import NewAnswer
from chatserver.generation.generations import KEY_GRACE_S
from chatserver.protocol import commands
from chatserver.settings import Generation, Model, Settings, Storage
from chatserver.wiring import System, open_system
from tests.models.openai_server import OpenAIServer, event, openai_server, refusing

KEY = "sk-of-the-asker-0123456789"


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[tuple[OpenAIServer, System]]:
    """A server that takes keys and has one of its own, and the model server that it asks."""
    async with openai_server() as server, served(directory, server) as system:
        yield server, system


@asynccontextmanager
async def served(directory: Path, server: OpenAIServer) -> AsyncIterator[System]:
    """One of several processes on a data directory."""
    model = Model(name="m", api_key=SecretStr("sk-of-the-server"), base_url=server.url, allow_provider_keys=True)
    settings = Settings(storage=Storage(data_dir=directory), model=model, generation=Generation(lease_s=1))
    async with open_system(settings) as system:
        yield system


def question(answer: str = "a1") -> NewAnswer:
    return NewAnswer(answer, "e1", "ada", "c1", f"ask-{answer}", "What does alarm A-41 mean?", 0.0)


async def sealed(system: System, answer: str) -> str:
    async def ended() -> str:
        while (meta := await system.answers.meta(answer)) is None or not meta.state.sealed:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        return str(meta.state)

    return await asyncio.wait_for(ended(), 30)


def files(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


async def test_the_askers_key_is_used_for_that_question_alone(tmp_path: Path) -> None:
    """The next question without one has the server's."""
    async with opened(tmp_path) as (server, system):
        await system.generations.ask(question("a1"), provider_key=KEY)
        assert await sealed(system, "a1") == "completed"
        await system.generations.ask(question("a2"))
        assert await sealed(system, "a2") == "completed"
        assert [key for _, key in server.asked] == [f"Bearer {KEY}", "Bearer sk-of-the-server"]


async def test_the_key_is_neither_stored_nor_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Not in a file of the data directory, not in a log line, not in what the client reads; not even when the model
    server quotes it in its refusal."""
    async with opened(tmp_path) as (server, system):
        server.answer = refusing(401, message=f"Incorrect API key provided: {KEY}")
        with caplog.at_level("DEBUG"), capture_logs() as lines:
            await system.generations.ask(question(), provider_key=KEY)
            assert await sealed(system, "a1") == "failed"
        assert server.asked[0][1] == f"Bearer {KEY}"
        assert KEY not in caplog.text
        assert KEY not in repr(lines)
        assert KEY not in repr(system.generations.__dict__)
    written = files(tmp_path)
    assert len(written) > 1
    assert [name for name, content in written.items() if KEY.encode() in content] == []


def test_a_command_hides_its_key() -> None:
    """What is printed of a frame does not show it; a key that could not be a header is refused."""
    frame = '{"type": "ask", "id": "1", "chat": "c", "text": "hi", "provider_key": "%s"}'
    command = commands.parse(frame % KEY, max_question_characters=100)
    assert isinstance(command, commands.Ask)
    assert command.provider_key is not None
    assert command.provider_key.get_secret_value() == KEY
    assert KEY not in repr(command)
    for wrong in ("", "two words", "line\\nbreak", "é", "x" * 501):
        with pytest.raises(commands.InvalidCommand) as refused:
            commands.parse(frame % wrong, max_question_characters=100)
        assert wrong == "" or wrong not in refused.value.message


@pytest.mark.parametrize("end", ["handed over", "crashed"])
async def test_no_other_key_pays_for_an_answer_that_is_taken_over(tmp_path: Path, end: str) -> None:
    """The process with the asker's key goes in the middle of the answer: the next one asks no model, keeps what was
    told, and seals it as failed with a code of its own."""
    async with openai_server() as server:
        server.answer = server.stalling(event({"content": "The pump "}))
        async with served(tmp_path, server) as first:
            await first.generations.ask(question(), provider_key=KEY)
            await told(first, "text-delta")
            if end == "crashed":  # its claim is left to expire
                async with served(tmp_path, server) as second:
                    await first.generations.__aexit__(None, None, None)
                    assert await sealed(second, "a1") == "failed"
        async with served(tmp_path, server) as last:
            assert await sealed(last, "a1") == "failed"
            chunks = await entries(last)
        assert [key for _, key in server.asked] == [f"Bearer {KEY}"]
        assert [chunk["type"] for chunk in chunks][-3:] == ["text-delta", "text-end", "error"]
        assert chunks[-1]["code"] == "provider_key_lost"
        assert "reset-step" not in [chunk["type"] for chunk in chunks]


async def test_a_question_is_left_to_the_process_that_has_its_key(tmp_path: Path) -> None:
    """Another process that sees it waiting lets it be for half a minute, and only then seals it as failed."""
    async with openai_server() as server, served(tmp_path, server) as system:
        fresh = replace(question("a1"), asked_at=time.time(), own_key=True)  # as another process makes it durable
        await system.answers.create(fresh)
        await system.answers.create(replace(question("a2"), asked_at=time.time() - KEY_GRACE_S, own_key=True))
        assert await sealed(system, "a2") == "failed"
        waiting = await system.answers.meta("a1")
        assert waiting is not None
        assert (waiting.state, waiting.generation) == ("queued", 0)
        assert server.asked == []


async def told(system: System, kind: str) -> None:
    async with asyncio.timeout(30):
        while kind not in [chunk["type"] for chunk in await entries(system)]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def entries(system: System) -> list[dict[str, Any]]:
    return [orjson.loads(entry) for entry in await system.answers.read("a1", 0, 10**6)]
