"""What a Redis is and promises, in a line for an operator."""

import asyncio

from chatserver.answers.log import LogError, LogUnavailable
from chatserver.answers.redis_format import fields_of, version_of
from chatserver.redis.address import Address
from chatserver.redis.errors import RedisRefused
from chatserver.redis.link import RedisLink
from chatserver.redis.shards import Shards

_ADVICE = {
    "NOAUTH": "it asks for a password: give it in CHATSERVER_REDIS_URL, as redis://:password@host",
    "WRONGPASS": "are the user and the password in CHATSERVER_REDIS_URL right?",
    "NOPERM": "the user in CHATSERVER_REDIS_URL may not do enough: see docs/redis.md",
    "CERTIFICATE_VERIFY_FAILED": "its certificate is not trusted: SSL_CERT_FILE names the file of its authority",
}


async def describe(url: str) -> str:
    """Version and durability, of a cluster those of all masters. Raises `LogUnavailable`, and `LogError` when it can't
    be trusted with answers."""
    shards = Shards(Address.parse(url))
    try:
        await shards.open()
    except LogUnavailable as error:
        raise LogUnavailable(f"{error}; {_advice(str(error))}") from None
    try:
        said = await asyncio.gather(*map(_described, shards.masters.values()))
    finally:
        await shards.aclose()
    told = " and ".join(sorted(set(said)))
    return told if len(said) == 1 else f"cluster of {len(said)} masters, {told}"


async def _described(master: RedisLink) -> str:
    info = fields_of(await master.call("INFO", "everything"))
    version = version_of(info)
    try:
        fsync = (await master.call("CONFIG", "GET", "appendfsync"))[1].decode()
    except RedisRefused:  # a service that does not let its settings be read
        fsync = "an unknown policy"
    if info.get("maxmemory_policy", "noeviction") != "noeviction":
        raise LogError(f"Redis evicts answers (maxmemory-policy {info['maxmemory_policy']}): set noeviction")
    kept = f"append-only file, fsync {fsync}" if info.get("aof_enabled") == "1" else "no append-only file"
    return f"Redis {version}, {kept}"


def _advice(error: str) -> str:
    found = [advice for word, advice in _ADVICE.items() if word in error]
    return found[0] if found else "does it run, and is CHATSERVER_REDIS_URL right?"
