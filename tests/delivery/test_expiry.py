"""A connection whose user's token expires."""

import time
from pathlib import Path

from tests.delivery.served import cursor, served, tab


async def test_an_expired_token_ends_the_connection_and_not_the_answer(tmp_path: Path) -> None:
    """4401 in the middle of an answer, to that user alone; the answer goes on, and a later connection has the rest of
    it after its cursor."""
    until = time.time() + 3600
    now = [time.time()]
    async with served(tmp_path, log="memory", wall_clock=lambda: now[0]) as system, tab(system) as lasting:
        async with tab(system, headers={"X-Until": str(until)}) as expiring:
            asked = await expiring.ask("held 6")
            system.pipeline.release(5)
            told = await expiring.chunks(5)
            now[0] = until
            assert await expiring.closed() == 4401
        system.pipeline.release(100)
        await system.sealed(asked["answer"])
        resumed = await lasting.resume(cursor(asked, told[-1]["seq"]))
        end = await lasting.until("end")
    assert resumed["answers"][0]["verdict"] == "resumed"
    assert end["state"] == "completed"
    assert [seq for seq, _ in lasting.entries(asked["answer"])] == list(range(5, end["seq"] + 1))
