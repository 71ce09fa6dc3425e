"""Whether an address serves every slot. Keys of one answer share a slot, those of all are spread over all slots.

Our client does not follow MOVED or ASK. A shard of a cluster would take some answers and refuse the others, so it is
refused as a whole, before anything is written. One that becomes a shard later refuses with MOVED: `LogUnavailable`.
"""

import asyncio
from typing import Final

from chatserver.answers.log import LogError
from chatserver.redis.errors import RedisRefused
from chatserver.redis.link import RedisLink

PROBES: Final = 512
"""Keys that are looked for, in one round trip, in slots as good as random. A shard that serves 98 of 100 slots passes
with a chance of 1 to 30,000. The cluster is not asked for its map: a proxy may pass on that of what is behind it."""
_REDIRECTED = ("MOVED", "ASK ")


async def refuse_shard(link: RedisLink) -> None:
    """Raises `LogError` for a shard, `LogUnavailable`."""
    replies = await asyncio.gather(
        *(link.call("EXISTS", f"cs:probe:{n}") for n in range(PROBES)), return_exceptions=True
    )
    errors = [reply for reply in replies if isinstance(reply, BaseException)]
    if any(isinstance(error, RedisRefused) and str(error).startswith(_REDIRECTED) for error in errors):
        raise LogError(
            "this Redis is one shard of a cluster, whose redirections (MOVED) are not followed: CHATSERVER_REDIS_URL "
            "should be a primary that has every slot, or a proxy in front of the cluster"
        )
    if errors:
        raise errors[0]
