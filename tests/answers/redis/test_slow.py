"""A Redis that answers slowly: what tells the answer is held up, and nothing is lost."""

import asyncio
from dataclasses import replace
from pathlib import Path

from chatserver.answers.document import read_document
from chatserver.answers.meta import AnswerMeta
from chatserver.answers.redis import RedisAnswerLog
from chatserver.generation.generation import Pace
from chatserver.generation.generations import Generations
from tests.contracts.answer_logs import question
from tests.contracts.redis_server import redis_server
from tests.delivery.conformance.proxy import proxy
from tests.delivery.served import ScriptedPipeline
from tests.ports import free_port

PACE = Pace(lease_s=60.0, linger_s=0.0, batch_entries=16, buffer_entries=64)
WORDS = 1500


async def test_backpressure_reaches_the_model(tmp_path: Path) -> None:
    """However fast the model is, it is never further ahead of the log than the buffer and a batch; it waits for the
    log again and again, and the answer is whole."""
    port = free_port()
    with redis_server(tmp_path, port=port):
        async with proxy(port) as network:
            log = await RedisAnswerLog.open(f"redis://127.0.0.1:{network.port}")
            pipeline = ScriptedPipeline()
            network.pause_s = 0.01
            async with Generations(log, pipeline, pace=PACE, owner="one") as generations:
                meta = await generations.ask(replace(question(), text=str(WORDS)))
                ahead: list[int] = []
                async with asyncio.timeout(60):
                    while not meta.state.sealed:
                        ahead += [pipeline.told - running.head for running in generations.inflight()]
                        meta = await _meta(log, meta.answer)
            document = await read_document(log, meta)
            await log.aclose()
    assert max(ahead) <= PACE.buffer_entries + PACE.batch_entries + 1, "a buffer, a batch, and one that waits to be put"
    assert sum(n >= PACE.buffer_entries for n in ahead) > 10, "it was held up"
    assert [word.rstrip(".") for word in document.text.split()] == [f"w{n}" for n in range(WORDS)]


async def _meta(log: RedisAnswerLog, answer: str) -> AnswerMeta:
    meta = await log.meta(answer)
    assert meta is not None
    return meta
