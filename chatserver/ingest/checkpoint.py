"""How far a migration has come, in a small file of the data directory."""

import asyncio
import json
import os
from pathlib import Path


class Checkpoint:
    """`route` says what is copied where: the file of another route is not gone on from."""

    def __init__(self, path: Path, route: str) -> None:
        self._path = path
        self._route = route
        self._done: dict[str, str] = {}

    async def open(self) -> None:
        """Reads the file; one that can't be read is as none."""
        self._done = await asyncio.to_thread(self._read)

    def of(self, namespace: str) -> str:
        """The last document that is done, "" when none is."""
        return self._done.get(namespace, "")

    async def save(self, namespace: str, document: str) -> None:
        self._done[namespace] = document
        await asyncio.to_thread(self._write)

    async def clear(self) -> None:
        self._done = {}
        await asyncio.to_thread(self._path.unlink, missing_ok=True)

    def _read(self) -> dict[str, str]:
        try:
            held = json.loads(self._path.read_text(encoding="utf-8"))
            return dict(held["done"]) if held["route"] == self._route else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def _write(self) -> None:
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps({"route": self._route, "done": self._done}), encoding="utf-8")
        os.replace(new, self._path)
