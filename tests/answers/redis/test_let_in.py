"""How a node is let in: TLS, users of the ACL, a unix socket; and what it is told when it is not."""

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from chatserver.answers.log import LogError, LogUnavailable
from chatserver.answers.redis import RedisAnswerLog
from chatserver.answers.redis_report import describe
from tests.answers.redis.conftest import Opener
from tests.contracts.answer_logs import begun, entry, read_all
from tests.contracts.redis_server import RedisServer, redis_server
from tests.ports import free_port

KEYS = ("~cs:*", "&cs:*")
COMMANDS = ("+@all", "-@dangerous", "+info")
"""What the documents tell an operator to grant."""


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """Of 127.0.0.1, its own authority; and its key."""
    path, key = tmp_path / "redis.crt", tmp_path / "redis.key"
    made = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(path), "-days", "2"]
    named = ["-subj", "/CN=redis", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(["openssl", "req", "-x509", *made, *named], check=True, capture_output=True)
    return path, key


@pytest.fixture
def secured(tmp_path: Path, certificate: tuple[Path, Path]) -> Iterator[str]:
    """The address of a Redis that speaks TLS."""
    port, (path, key) = free_port(), certificate
    options = ("--tls-port", str(port), "--tls-cert-file", str(path), "--tls-key-file", str(key))
    with redis_server(tmp_path, *options, "--tls-auth-clients", "no"):
        yield f"rediss://127.0.0.1:{port}"


async def test_tls(
    secured: str, certificate: tuple[Path, Path], open_log: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All three connections speak it; the certificate's authority is the system's, or `SSL_CERT_FILE`'s."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    log, other = await open_log(secured), await open_log(secured)
    await other.follow("a1")
    await begun(log, entries=3)
    assert await read_all(other) == [entry(n) for n in range(3)]
    for link in (*log._writes.masters.values(), *log._reads.masters.values(), log._doorbell._link):
        assert link._wire is not None
        assert link._wire._transport is not None
        assert isinstance(link._wire._transport.get_extra_info("ssl_object"), ssl.SSLObject)


async def test_a_certificate_of_nobody(secured: str) -> None:
    """Is not trusted, and the message says which of the two it is: not reached, or not trusted."""
    with pytest.raises(LogUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
        await RedisAnswerLog.open(secured)


async def test_a_user_of_the_acl(redis: RedisServer, open_log: Opener) -> None:
    """One that reaches our keys and channels only, and no dangerous command, is enough."""
    redis.says("ACL", "SETUSER", "chat", "on", ">pw", *KEYS, *COMMANDS)
    url = f"unix://chat:pw@{redis.socket}"
    log, other = await open_log(url), await open_log(url)
    claim = await begun(log, entries=2)
    await other.follow("a1")
    await log.release(claim)
    assert await other.claimable(10) == ["a1"]
    assert await read_all(other) == [entry(0), entry(1)]
    assert (await describe(url)).startswith("Redis ")


async def test_a_user_that_may_not_do_enough(redis: RedisServer, open_log: Opener) -> None:
    """What Redis says about it is the error, at the start, and nothing is half made."""
    redis.says("ACL", "SETUSER", "chat", "on", ">pw", "~other:*", "&*", "+@all")
    with pytest.raises(LogUnavailable, match="NOPERM"):
        await open_log(f"unix://chat:pw@{redis.socket}")
    assert redis.says("KEYS", "*") == ""


async def test_a_password_is_missing_or_wrong(redis: RedisServer) -> None:
    """Each is told in words that name the setting."""
    redis.says("CONFIG", "SET", "requirepass", "right")
    with pytest.raises(LogUnavailable, match=r"NOAUTH.*CHATSERVER_REDIS_URL"):
        await describe(redis.url)
    with pytest.raises(LogUnavailable, match=r"WRONGPASS.*CHATSERVER_REDIS_URL"):
        await describe(f"unix://:guess@{redis.socket}")


async def test_nobody_at_the_address() -> None:
    """The operator reads what to do."""
    with pytest.raises(LogUnavailable, match=r"does not answer.*CHATSERVER_REDIS_URL"):
        await describe(f"redis://127.0.0.1:{free_port()}")


async def test_a_redis_that_evicts_can_not_be_trusted(redis: RedisServer) -> None:
    """Nothing else is found to be wrong with it."""
    redis.says("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    with pytest.raises(LogError, match="set noeviction"):
        await describe(redis.url)
