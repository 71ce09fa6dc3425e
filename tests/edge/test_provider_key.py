"""A question with a key of its own: from its frame to the header that a model server gets, on the real system
with a model server of ours."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from chatserver.answers.meta import NewAnswer
from chatserver.protocol import commands
from chatserver.settings import Generation, Model, Settings, Storage
from chatserver.wiring import System, open_system
from tests.models.openai_server import OpenAIServer, openai_server, refusing

KEY = "sk-of-the-asker-0123456789"


@asynccontextmanager
async def opened(directory: Path) -> AsyncIterator[tuple[OpenAIServer, System]]:
    """A server that takes keys and has one of its own, and the model server that it asks."""
    async with openai_server() as server:
        model = Model(name="m", api_key=SecretStr("sk-of-the-server"), base_url=server.url, allow_provider_keys=True)
        settings = Settings(storage=Storage(data_dir=directory), model=model, generation=Generation(lease_s=1))
        async with open_system(settings) as system:
            yield server, system


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
