"""A stopped answer on the real system: a real document, a model server of ours, and the log as a client reads it."""

import asyncio
from pathlib import Path

from chatserver.answers.document import AnswerDocument, read_document
from chatserver.answers.meta import AnswerMeta, NewAnswer
from chatserver.settings import Model, Settings, Storage
from chatserver.wiring import System, open_system
from tests.models.openai_server import event, openai_server

PUMPS = "# Pumps\n\nPump P-101 moves the glycol through the evaporator. Its twin P-102 takes over when it stops.\n"


async def ended(system: System) -> tuple[AnswerMeta, AnswerDocument]:
    async with asyncio.timeout(30):
        while (meta := await system.answers.meta("a1")) is None or not meta.state.sealed:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return meta, await read_document(system.answers, meta)


async def shows(system: System, text: str) -> None:
    async with asyncio.timeout(30):
        while True:
            meta = await system.answers.meta("a1")
            if meta is not None and text in (await read_document(system.answers, meta)).text:
                return
            await asyncio.sleep(0.01)


async def test_a_stopped_answer_keeps_its_citations(tmp_path: Path) -> None:
    """Stopped in the middle of its second sentence, the first is still cited, with the words of its source."""
    (tmp_path / "pumps.md").write_text(PUMPS)
    async with openai_server() as server:
        server.answer = server.stalling(event({"content": "P-101 moves it [1]. Its twin"}), event({"content": " is"}))
        settings = Settings(
            storage=Storage(data_dir=tmp_path / "data"),
            model=Model(name="m", base_url=server.url),
        )
        async with open_system(settings) as system:
            await system.knowledge.ingestion.ingest_paths([tmp_path / "pumps.md"])
            await system.generations.ask(NewAnswer("a1", "e1", "ada", "c1", "q1", "What moves the glycol?", 0.0))
            await shows(system, "Its twin is")
            await system.generations.stop("ada", "a1")
            meta, document = await ended(system)
        await asyncio.wait_for(server.closed.wait(), 30)
    assert (meta.state, document.text) == ("stopped", "P-101 moves it [1]. Its twin is")
    (cited,) = document.citations
    assert document.text[cited["start"] : cited["end"]] == "P-101 moves it"
    assert cited["quote"] == "Pump P-101 moves the glycol through the evaporator."
