"""What `appendfsync` promises, as far as SIGKILL shows it: what was acknowledged is in the file that Redis starts from.

The kernel keeps what a killed process has written; a machine that loses power is not tried here.
"""

from pathlib import Path

import pytest

from chatserver.answers.redis import RedisAnswerLog
from chatserver.answers.states import AnswerState
from tests.contracts.answer_logs import LEASE_S, batch, begun, entry, read_all
from tests.contracts.redis_server import redis_server


@pytest.mark.parametrize("fsync", ["always", "everysec"])
async def test_what_was_acknowledged_survives_a_kill(tmp_path: Path, fsync: str) -> None:
    """Redis is killed right after the last acknowledgement (with `everysec`: once it has written that to its file), and
    the node that told it has died too: another reads all of it. Nobody is there to put anything back."""
    with redis_server(tmp_path, "--appendonly", "yes", "--appendfsync", fsync) as server:
        log = await RedisAnswerLog.open(server.url)
        running, ended = await begun(log, "running"), await begun(log, "ended")
        for first in range(0, 100, 2):
            await log.append(running, batch(first, 2), LEASE_S)
        await log.append(ended, batch(0, 2, seal=AnswerState.COMPLETED), LEASE_S)
        if fsync == "everysec":
            server.written()
        server.kill()
        await log.aclose()
        server.start()
        other = await RedisAnswerLog.open(server.url)
        assert await read_all(other, "running") == [entry(n) for n in range(100)]
        meta = await other.meta("ended")
        assert meta is not None
        assert (meta.state, meta.head) == (AnswerState.COMPLETED, 2)
        await other.aclose()
