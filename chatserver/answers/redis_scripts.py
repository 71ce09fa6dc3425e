"""The Lua scripts, sent by their hash; a Redis that does not have one yet is given its text."""

import hashlib
from importlib import resources
from typing import Any

from chatserver.redis.address import Argument
from chatserver.redis.errors import RedisRefused
from chatserver.redis.link import RedisLink
from chatserver.redis.shards import Shards


class Script:
    """`lua/NAME.lua`, after what all scripts begin with."""

    def __init__(self, name: str) -> None:
        folder = resources.files("chatserver.answers") / "lua"
        parts = [(folder / f"{part}.lua").read_text("utf-8") for part in ("answer", name)]
        self._text = "\n".join(parts)
        self._hash = hashlib.sha1(self._text.encode(), usedforsecurity=False).hexdigest()

    async def run(self, link: RedisLink | Shards, keys: list[str], *arguments: Argument) -> Any:
        """Raises `LogUnavailable`."""
        try:
            return await link.call("EVALSHA", self._hash, len(keys), *keys, *arguments)
        except RedisRefused as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
            return await link.call("EVAL", self._text, len(keys), *keys, *arguments)


ACKNOWLEDGE = Script("acknowledge")
APPEND = Script("append")
ASK = Script("ask")
CLAIM = Script("claim")
COMPACT = Script("compact")
CREATE = Script("create")
DISCARD = Script("discard")
ERASE = Script("erase")
MARK = Script("mark")
PUBLISH = Script("publish")
READ = Script("read")
RELEASE = Script("release")
RENEW = Script("renew")
RESTORE = Script("restore")
STOP = Script("stop")
