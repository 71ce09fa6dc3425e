"""Where a JSON Web Key Set is read from: a file, or the address that an identity provider publishes it at."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx

_TIMEOUT_S: Final = 5.0
_MAX_BYTES: Final = 1 << 20


def key_set_reader(where: str) -> Callable[[], Awaitable[Mapping[str, Any]]]:
    """Reads the set at this path or URL anew each time. Raises `OSError`, `ValueError`."""

    async def read() -> Mapping[str, Any]:
        content = await (_download(where) if "://" in where else asyncio.to_thread(Path(where).read_bytes))
        document = json.loads(content)
        if not isinstance(document, dict):
            raise ValueError("a key set is a JSON object")
        return document

    return read


async def _download(url: str) -> bytes:
    content = bytearray()
    try:
        async with (
            asyncio.timeout(_TIMEOUT_S),
            httpx.AsyncClient(timeout=_TIMEOUT_S) as http,
            http.stream("GET", url) as response,
        ):
            response.raise_for_status()
            async for part in response.aiter_bytes():
                content += part
                if len(content) > _MAX_BYTES:
                    raise ValueError(f"a key set has at most {_MAX_BYTES} bytes")
    except httpx.HTTPError as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
    return bytes(content)
