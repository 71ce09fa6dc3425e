"""What every `Errands` must do, sentence by sentence of the port's contract, over a real Redis and real stores."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from chatserver.ingest.elsewhere.errands import LARGEST, NAMES, SAVE, DirectoryAway, Refused, TooLarge
from chatserver.ingest.elsewhere.redis_errands import RedisErrands
from retrieval.errors import DimensionMismatch, InvalidText, KeyRejected, Temporary
from tests.contracts.redis_server import RedisServer, redis_server
from tests.eventually import eventually

Do = Callable[[str, bytes], Awaitable[bytes]]


@pytest.fixture
async def errands(redis: RedisServer) -> AsyncIterator[RedisErrands]:
    """The asker's; 30 s of silence are too many for nobody's errand."""
    redis.says("FLUSHALL")
    opened = await RedisErrands.open(redis.url)
    yield opened
    await opened.aclose()


@asynccontextmanager
async def keeper(redis: RedisServer, do: Do) -> AsyncIterator[RedisErrands]:
    opened = await RedisErrands.open(redis.url)
    keeping = asyncio.create_task(opened.keep("home", do))
    yield opened
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await opened.aclose()


async def echo(errand: str, body: bytes) -> bytes:
    return errand.encode() + b":" + body


async def test_what_is_asked_is_told(redis: RedisServer, errands: RedisErrands) -> None:
    """Small, empty and of several blocks, many at once; nothing of it stays in Redis."""
    bodies = [b"", b"a", *(bytes([n]) * (n * 700_000) for n in range(1, 5))]
    async with keeper(redis, echo):
        assert await asyncio.gather(*(errands.ask("home", "e", body) for body in bodies)) == [b"e:" + b for b in bodies]
    assert redis.says("--scan") == ""


async def test_several_keepers_share_the_work(redis: RedisServer, errands: RedisErrands) -> None:
    """Each errand is done by one of them; another directory's is nobody's here."""
    done: list[bytes] = []

    async def note(errand: str, body: bytes) -> bytes:
        done.append(body)
        return body

    async with keeper(redis, note), keeper(redis, note):
        other = asyncio.create_task(errands.ask("elsewhere", "e", b"theirs"))
        asked = [b"%d" % n for n in range(50)]
        assert await asyncio.gather(*(errands.ask("home", "e", body) for body in asked)) == asked
        assert await errands.waiting("elsewhere")
        other.cancel()
    assert sorted(done) == sorted(asked)


@pytest.mark.parametrize(
    ("raised", "kind", "code"),
    [
        (Temporary("locked", retry_after_s=2.5), Temporary, "upstream_unavailable"),
        (DimensionMismatch("3 for 2"), DimensionMismatch, "dimension_mismatch"),
        (KeyRejected("no"), Refused, "upstream_unauthorized"),
        (ZeroDivisionError(), Refused, "internal"),
    ],
)
async def test_what_a_store_raises_is_raised_again(
    redis: RedisServer, errands: RedisErrands, raised: Exception, kind: type[Exception], code: str
) -> None:
    """With its code, and the time to wait; of a bug nothing else is told."""

    async def fail(errand: str, body: bytes) -> bytes:
        raise raised

    async with keeper(redis, fail):
        with pytest.raises(kind) as caught:
            await errands.ask("home", "e", b"")
    assert getattr(caught.value, "code", "") == code
    assert getattr(caught.value, "retry_after_s", None) == getattr(raised, "retry_after_s", None)
    assert "Division" not in str(caught.value)


async def test_an_errand_that_nobody_takes_is_not_begun_later(redis: RedisServer) -> None:
    """Its asker is told that the directory is away; a keeper that comes afterwards leaves it."""
    asker = await RedisErrands.open(redis.url, silence_s=0.5)
    for body in (b"late", b""):
        with pytest.raises(DirectoryAway):
            await asker.ask("home", "e", body)
    done: list[bytes] = []

    async def note(errand: str, body: bytes) -> bytes:
        done.append(body)
        return body

    async with keeper(redis, note):
        patient = await RedisErrands.open(redis.url)
        assert await patient.ask("home", "e", b"now") == b"now"
        await patient.aclose()
    await asker.aclose()
    assert done == [b"now"]  # by both, had the first been begun


async def test_a_long_errand_is_waited_for(redis: RedisServer, errands: RedisErrands) -> None:
    """While its keeper is at it, it says so again and again, and each time the silence that counts as death begins
    anew."""
    began, go = asyncio.Event(), asyncio.Event()

    async def wait(errand: str, body: bytes) -> bytes:
        began.set()
        await go.wait()
        return b"done"

    async with keeper(redis, wait):
        asking = asyncio.create_task(errands.ask("home", "e", b""))
        await began.wait()
        (asked,) = errands._asked.values()
        first = asked.heard_at
        await eventually(lambda: asked.heard_at > first + 2, within_s=30)
        go.set()
        assert await asking == b"done"


async def test_an_ended_keeper_gives_its_errands_back(redis: RedisServer, errands: RedisErrands) -> None:
    """Its asker need not wait for it to be taken for dead."""
    began = asyncio.Event()

    async def hang(errand: str, body: bytes) -> bytes:
        began.set()
        await asyncio.Event().wait()
        return b""

    async with keeper(redis, hang):
        asking = asyncio.create_task(errands.ask("home", "e", b""))
        await began.wait()
    with pytest.raises(Temporary, match="ends") as caught:
        await asking
    assert caught.value.code == DirectoryAway.code


async def test_a_redis_that_is_away_is_a_directory_that_is_away(tmp_path: Path) -> None:
    """At once; when it is back, errands are done again by the keeper that was there before."""
    with redis_server(tmp_path) as server:
        asker = await RedisErrands.open(server.url)
        async with keeper(server, echo):
            assert await asker.ask("home", "e", b"1") == b"e:1"
            server.kill()
            with pytest.raises(DirectoryAway):
                await asker.ask("home", "e", b"2")
            server.start()
            async with asyncio.timeout(60):
                while True:
                    try:
                        assert await asker.ask("home", "e", b"3") == b"e:3"
                        break
                    except DirectoryAway:
                        await asyncio.sleep(0.05)
        await asker.aclose()


def test_what_is_too_large_or_no_text_is_refused_before_it_is_asked() -> None:
    """By codes of their own; what another version has written is not guessed at."""
    with pytest.raises(TooLarge) as caught:
        SAVE.written({"a": bytes(LARGEST)})
    assert caught.value.code == "document_too_large"
    with pytest.raises(InvalidText):
        NAMES.written("\ud800")
    with pytest.raises(Refused) as refused:
        SAVE.read(b'{"a": 1}')
    assert refused.value.code == "invalid_errand"
