"""The main promise: wherever the socket is cut, the answer comes whole, contiguous, once."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chatserver.protocol.chunks import Chunk
from tests.contracts.answer_logs import IMPLEMENTATIONS
from tests.delivery.served import System, cursor, script, served, tab

WORDS = 6
LENGTH = len(script("", [""] * WORDS))


def expected(answer: str) -> list[tuple[int, Chunk]]:
    return list(enumerate(script(answer, (f"w{n} " for n in range(WORDS)))))


@pytest.fixture(params=sorted(IMPLEMENTATIONS))
async def system(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[System]:
    async with served(tmp_path, log=request.param) as system:
        yield system


@pytest.mark.parametrize("offline", [False, True], ids=["answer goes on after the resume", "answer ends before it"])
@pytest.mark.parametrize("kept", [True, False], ids=["cursor kept", "cursor lost"])
async def test_a_cut_at_every_entry_boundary(system: System, kept: bool, offline: bool) -> None:
    """After each cut the resume continues behind the cursor, or without one begins at the start; either way the
    transcript is the answer, each entry once and in order, and then its end."""
    for cut in range(LENGTH + 1):
        id, chat = f"ask-{cut}", f"chat-{cut}"
        async with tab(system) as first:
            accepted = await first.ask(f"held {WORDS}", id=id, chat=chat)
            answer = accepted["answer"]
            system.pipeline.release(cut)
            await first.chunks(cut)
            assert first.entries(answer) == expected(answer)[:cut]
            first.cut()
        if offline:
            system.pipeline.release(LENGTH - cut)
            await system.sealed(answer)
        async with tab(system) as second:
            resumed = await second.resume(*([cursor(accepted, cut - 1)] if kept else []), chat=chat)
            (verdict,) = resumed["answers"]
            assert (verdict["answer"], verdict["epoch"]) == (answer, accepted["epoch"])
            if not offline:
                system.pipeline.release(LENGTH - cut)
            end = await second.until("end", answer=answer)
            assert (end["seq"], end["state"]) == (LENGTH - 1, "completed")
            kept_entries = first.entries(answer) if kept else []
            assert verdict["verdict"] == ("resumed" if kept else "snapshot")
            assert kept_entries + second.entries(answer) == expected(answer)
            await second.settled()
            assert second.events[-1]["type"] == "pong", "nothing follows the end"


async def test_a_cut_during_every_resume(system: System) -> None:
    """A connection that is cut again and again, one entry further each time, still adds up to the answer."""
    async with tab(system) as first:
        accepted = await first.ask(str(WORDS))
        await first.until("end")
    answer = accepted["answer"]
    seen: list[tuple[int, Chunk]] = []
    for _ in range(LENGTH):
        async with tab(system) as again:
            await again.resume(cursor(accepted, len(seen) - 1))
            await again.chunks(1)
            again.cut()
            seen += again.entries(answer)[:1]
    assert seen == expected(answer)


async def test_replayed_entries_are_marked(system: System) -> None:
    """What the log had before the resume is `replay`, what comes after is not."""
    async with tab(system) as first:
        accepted = await first.ask(f"held {WORDS}")
        system.pipeline.release(5)
        await first.chunks(5)
        first.cut()
    async with tab(system) as second:
        await second.resume(cursor(accepted, 1))
        await second.chunks(3)
        system.pipeline.release(LENGTH)
        await second.until("end")
        marks = [event.get("replay", False) for event in second.events if event["type"] == "chunk"]
        assert marks == [True] * 3 + [False] * (LENGTH - 5)
