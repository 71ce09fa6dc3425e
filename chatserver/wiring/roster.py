"""Who is there for jobs: with Redis each server and worker says so, and what it makes of a text."""

import socket
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from chatserver.guards.watch import Counts
from chatserver.ingest.attendance import Making, Party, corpora_apart
from chatserver.settings import Settings
from chatserver.wiring.embedder import open_embedder
from chatserver.wiring.extractor import open_extractor
from chatserver.wiring.home import home_of
from chatserver.wiring.knowledge import Knowledge
from chatserver.wiring.tended import tended
from chatserver.wiring.upstreams import Upstreams

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatserver.ingest.elsewhere.redis_roster import RedisRoster, ServersView


@asynccontextmanager
async def attended_by_server(
    settings: Settings, knowledge: Knowledge, is_waiting: "Callable[[], bool]"
) -> "AsyncIterator[ServersView]":
    """Tells of this server, and of those who may do its jobs, as long as the context lasts. Needs Redis."""
    from chatserver.ingest.elsewhere.redis_roster import ServersView

    me = _party(settings, knowledge.ingestion.making, takes=False)
    view = ServersView(me.home, me.makes, me.making)
    async with (
        _open_roster(settings) as roster,
        tended(roster.attend(lambda: replace(me, waiting=is_waiting()), view.see), "roster"),
    ):
        yield view


@asynccontextmanager
async def attended_by_worker(settings: Settings, knowledge: Knowledge) -> AsyncIterator[None]:
    """Tells of this worker, and of jobs that it may not do, as long as the context lasts. Needs Redis."""
    from chatserver.ingest.elsewhere.redis_roster import WorkersView

    me = _party(settings, knowledge.ingestion.making, takes=True)
    async with _open_roster(settings) as roster, tended(roster.attend(lambda: me, WorkersView(me).see), "roster"):
        yield


async def reach_workers(settings: Settings) -> tuple[Making, Sequence[Party], Sequence[str]]:
    """What these settings make of a text, who is there on their Redis, and on which machines are servers with another
    data directory. Raises `LogUnavailable`."""
    upstreams = Upstreams.guarded(settings, Counts())
    async with (
        open_embedder(settings, upstreams) as embedder,
        open_extractor(settings, upstreams) as extractor,
        _open_roster(settings) as roster,
    ):
        name = extractor.name if extractor else ""
        making = Making(embedder.name, embedder.dimension, name, settings.ingest.metadata != "none")
        there = await roster.there()
        return making, there, corpora_apart(home_of(settings), there)


def _party(settings: Settings, making: Making, *, takes: bool) -> Party:
    return Party(uuid.uuid4().hex, socket.gethostname(), home_of(settings), making.name, making.words, takes)


@asynccontextmanager
async def _open_roster(settings: Settings) -> "AsyncIterator[RedisRoster]":
    from chatserver.ingest.elsewhere.redis_roster import RedisRoster

    assert settings.redis.url is not None
    roster = await RedisRoster.open(settings.redis.url.get_secret_value())
    try:
        yield roster
    finally:
        await roster.aclose()
