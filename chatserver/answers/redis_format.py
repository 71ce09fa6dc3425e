"""What nodes of different versions on one Redis must agree on.

`FORMAT` names the keys, the fields, and what the scripts do with them. Within one format versions may differ: a hash
may have fields, a question values at its end, and a chunk members, that an older node does not know: it leaves them
alone. Scripts are found by the hash of their text: each node runs its own. What an older node would get wrong is
another format: Redis keeps the newest that was used, and a node that does not know that one does not begin.
"""

import asyncio
from collections.abc import Mapping
from typing import Final

from chatserver.answers.log import LogError
from chatserver.redis.shards import Shards

OLDEST: Final = (7, 0)
"""Of Redis; Valkey names the version of Redis that it goes on from."""
FORMAT: Final = 1
FORMAT_KEY: Final = "cs:format"


async def agree_on_format(link: Shards) -> None:
    """Raises `LogError` when this Redis has answers of a newer format, `LogUnavailable`."""
    known = int(await link.call("SET", FORMAT_KEY, FORMAT, "NX", "GET") or FORMAT)
    if known > FORMAT:
        raise LogError(f"this Redis has answers of format {known}; this version knows {FORMAT}: update it")
    if known < FORMAT:
        await link.call("SET", FORMAT_KEY, FORMAT)


async def refuse_old(shards: Shards) -> None:
    """Raises `LogError` when a master is older than `OLDEST`, `LogUnavailable`."""
    for info in await asyncio.gather(*(link.call("INFO", "server") for link in shards.masters.values())):
        version_of(fields_of(info))


def version_of(info: Mapping[str, str]) -> str:
    """Raises `LogError` when it is older than `OLDEST`."""
    version = info["redis_version"]
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        raise LogError(f"Redis {version} is too old: 7.0 is the first that will do")
    return version


def fields_of(info: bytes) -> dict[str, str]:
    """Of a reply to INFO."""
    return dict(line.split(":", 1) for line in info.decode().splitlines() if ":" in line)
