"""The threads for work that would block the loop: made at the start, so that none is made under load."""

import asyncio
import os
import threading
from concurrent.futures import ThreadPoolExecutor

_WAIT_S = 60.0
"""They wait for nothing but each other: only a machine that is held up takes so long."""


async def start_threads() -> int:
    """Gives the running loop the pool that `asyncio.to_thread` uses, all of its threads alive; tells how many. As many
    as asyncio's own pool has at most."""
    count = min(32, (os.cpu_count() or 1) + 4)
    pool = ThreadPoolExecutor(count, thread_name_prefix="work")
    loop = asyncio.get_running_loop()
    loop.set_default_executor(pool)
    all_here = threading.Barrier(count)
    await asyncio.gather(*(loop.run_in_executor(pool, all_here.wait, _WAIT_S) for _ in range(count)))
    return count
