"""The heap of a process that serves."""

import subprocess
import sys
from pathlib import Path

SERVED = """
import asyncio, gc
from chatserver.app import app, create_app
from chatserver.edge.heap import freeze_heap

async def start(app):
    async with app.router.lifespan_context(app):
        return gc.get_freeze_count(), len(gc.get_objects())

print(*asyncio.run(start(create_app())), *asyncio.run(start(app)))
"""


def test_what_start_up_has_made_is_not_collected_again(tmp_path: Path) -> None:
    """`uvicorn chatserver.app:app` leaves the collector next to nothing; an application in another program freezes
    nothing of that program's."""
    environment = {"CHATSERVER_DATA_DIR": str(tmp_path), "CHATSERVER_MODEL": "scripted", "PATH": ""}
    said = subprocess.run([sys.executable, "-c", SERVED], env=environment, capture_output=True, text=True, check=True)
    frozen_of_ours, kept, frozen, left = map(int, said.stdout.split())
    assert frozen_of_ours == 0
    assert frozen > 0.9 * kept
    assert left < 0.1 * kept
