"""An answer that another process goes on with, from whatever its log holds."""

import asyncio
from collections.abc import Sequence

import pytest

from chatserver.generation.continuation import continue_after
from chatserver.models.port import TextPart
from chatserver.models.scripted import Fault, ScriptedModel, Step
from chatserver.protocol.chunks import Chunk
from retrieval.errors import Temporary
from retrieval.ports import Filter
from retrieval.types import Found, Passage
from tests.pipeline.answered import (
    SOON_S,
    VALVE,
    Echo,
    Library,
    letters,
    of,
    pipeline,
    question,
    tell,
)


@pytest.mark.parametrize("asked", ["What moves the glycol?", "the newest event", "hello", "the state", "last week"])
@pytest.mark.parametrize("steps", [[TextPart("Yes [1]"), TextPart("[3].")], [TextPart("Yes"), Fault("broken")]])
async def test_an_answer_is_continued_from_every_cut(asked: str, steps: list[Step]) -> None:
    """Taken over after any entry, the log with its withdrawn step ends like the answer that was never cut, and
    the sources were searched once."""
    whole = await tell(pipeline(ScriptedModel(steps)), question(asked))
    for cut in range(len(whole)):
        library = Library()
        continuation = continue_after(whole[:cut])
        rest = await tell(pipeline(ScriptedModel(steps), library), question(asked), continuation.told)
        log = folded([*whole[:cut], *continuation.withdraw, *rest])
        assert [comparable(chunk) for chunk in log] == [comparable(chunk) for chunk in whole], cut
        searches = {"hello": 0, "the state": 2}.get(asked, 1)
        assert library.searched == max(0, searches - [chunk["type"] for chunk in whole[:cut]].count("finish-step"))


async def test_a_deleted_source_keeps_its_number() -> None:
    """A passage that is gone at the takeover keeps title and place, so that marks still mean the same source."""
    whole = await tell(pipeline(Echo()))
    told = whole[: [chunk["type"] for chunk in whole].index("finish-step") + 1]
    model = Echo()
    await tell(pipeline(model, Library(gone="pumps#0")), told=told)
    context = model.requests[0].context
    assert [ranked.passage.title for ranked in context.passages] == ["Pumps", "Valves"]
    assert [ranked.passage.text for ranked in context.passages] == ["", VALVE.text]


async def test_sources_that_cannot_be_loaded_end_a_takeover() -> None:
    """Without the texts of the told sources there is nothing to continue from."""
    whole = await tell(pipeline(Echo()))
    told = whole[: [chunk["type"] for chunk in whole].index("finish-step") + 1]
    rest = await tell(pipeline(Echo(), Library(Temporary("down"))), told=told)
    assert (letters(rest), of(rest, "error")["code"]) == ("(d)E", "retrieval_failed")


@pytest.mark.parametrize("library", [Library(Temporary("down")), None], ids=["failed", "too late"])
async def test_a_failed_retrieval_stays_failed_in_a_takeover(library: Library | None) -> None:
    """A first step that told no sources for a failure is not answered from nothing by the next owner."""

    class Stalled(Library):
        async def __call__(self, text: str, *, namespace: str, filter: Filter | None) -> Found:
            await asyncio.Event().wait()
            raise AssertionError

    whole = await tell(pipeline(Echo(), library or Stalled(), timeout_s=SOON_S))
    told = whole[: [chunk["type"] for chunk in whole].index("finish-step") + 1]
    model = Echo()
    rest = await tell(pipeline(model), told=told)
    assert (letters(rest), of(rest, "error")["code"]) == ("(d)E", "retrieval_failed")
    assert model.requests == []


async def test_a_takeover_loads_its_sources_in_time_or_ends() -> None:
    """The deadline covers the loading of told passages."""

    class Stalled(Library):
        async def passages(self, ids: Sequence[str], *, namespace: str = "") -> list[Passage]:
            await asyncio.Event().wait()
            raise AssertionError

    whole = await tell(pipeline(Echo()))
    told = whole[: [chunk["type"] for chunk in whole].index("finish-step") + 1]
    rest = await tell(pipeline(Echo(), Stalled(), timeout_s=SOON_S), told=told)
    assert (letters(rest), of(rest, "error")["code"]) == ("(d)E", "answer_timeout")


def folded(log: Sequence[Chunk]) -> list[Chunk]:
    """The log as a reader sees it: a reset drops what its step has shown."""
    shown: list[Chunk] = []
    for chunk in log:
        if chunk["type"] == "reset-step":
            while shown[-1]["type"] != "start-step":
                shown.pop()
        else:
            shown.append(chunk)
    return shown


def comparable(chunk: Chunk) -> Chunk:
    """Without measured times, and without the phases that a takeover does not run again."""
    if chunk["type"] == "data-timing":
        return {"type": "data-timing", "outcome": chunk["data"]["outcome"]}
    if chunk["type"] == "data-retrieval":
        return {**chunk, "data": {**chunk["data"], "legs": [leg["leg"] for leg in chunk["data"]["legs"]]}}
    return chunk
