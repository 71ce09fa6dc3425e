"""What nodes of different versions on one Redis must agree on.

`FORMAT` names the keys, the fields, and what the scripts do with them. Within one format versions may differ: a hash
may have fields, a question values at its end, and a chunk members, that an older node does not know: it leaves them
alone. Scripts are found by the hash of their text: each node runs its own. What an older node would get wrong is
another format: Redis keeps the newest that was used, and a node that does not know that one does not begin.
"""

from typing import Final

from chatserver.answers.log import LogError
from chatserver.redis.shards import Shards

FORMAT: Final = 1
FORMAT_KEY: Final = "cs:format"


async def agree_on_format(link: Shards) -> None:
    """Raises `LogError` when this Redis has answers of a newer format, `LogUnavailable`."""
    known = int(await link.call("SET", FORMAT_KEY, FORMAT, "NX", "GET") or FORMAT)
    if known > FORMAT:
        raise LogError(f"this Redis has answers of format {known}; this version knows {FORMAT}: update it")
    if known < FORMAT:
        await link.call("SET", FORMAT_KEY, FORMAT)
