"""Taking one user's answers out of Redis."""

import asyncio
from typing import Final

from chatserver.answers.redis_keys import entries_key, meta_key, user_key
from chatserver.answers.redis_scripts import ERASE
from chatserver.redis.shards import Shards

_FENCED_MS: Final = 86_400_000
_SPECIAL: Final = str.maketrans({mark: f"\\{mark}" for mark in "*?[]\\"})


async def erase(shards: Shards, user: str) -> list[str]:
    """All keys of the user and of their answers; gives these. What names them in other indexes (the unsealed, the
    stops) holds their ids alone, and goes when it is next looked at. Raises `LogUnavailable`."""
    keys = [key async for key in shards.keys_like(f"{user_key(user).translate(_SPECIAL)}:*")]
    chats = [key for key in keys if key.startswith(user_key(user, "chat", "").encode())]
    asks = [key for key in keys if key.startswith(user_key(user, "ask", "").encode())]
    listed = await asyncio.gather(*(shards.call("LRANGE", key, 0, -1) for key in chats))
    asked = await asyncio.gather(*(shards.call("GET", key) for key in asks))
    answers = sorted({name.decode() for names in [*listed, asked] for name in names if name is not None})
    existed = await asyncio.gather(
        *(ERASE.run(shards, [meta_key(answer), entries_key(answer)], _FENCED_MS) for answer in answers)
    )
    await asyncio.gather(*(shards.call("UNLINK", key) for key in keys))
    return [answer for answer, count in zip(answers, existed, strict=True) if count]
