"""A Redis Cluster of the tests' own: three masters that share the slots, and replicas when they are asked for."""

import atexit
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from chatserver.redis.slots import SLOTS, slot_of
from tests.contracts.redis_server import RedisServer, redis_server
from tests.ports import free_port

MASTERS = 3
_JOIN_S = 60.0
"""Their gossip takes a second or two; the machine may be busy."""


@dataclass
class RedisCluster:
    masters: list[RedisServer]
    replicas: list[RedisServer] = field(default_factory=list)
    """The n-th one follows the n-th master."""

    @property
    def url(self) -> str:
        """Of one of them: that is all that anybody is told."""
        return self.masters[0].url

    @property
    def servers(self) -> list[RedisServer]:
        return [*self.masters, *self.replicas]

    def says(self, key: str, *command: str) -> str:
        """What the master that has this key says to a command."""
        return self.master_of(key).says(*command)

    def master_of(self, key: str) -> RedisServer:
        """As the servers see it."""
        slot = slot_of(key.encode())
        for server in self.servers:
            for line in server.says("CLUSTER", "NODES").splitlines():
                _, _, flags, *_, mine = [*line.split(" ", 8), ""][:9]
                if "myself,master" in flags and any(_holds(part, slot) for part in mine.split()):
                    return server
        raise AssertionError(f"nobody has the slot of {key}")

    def flush(self) -> None:
        for master in self.masters:
            master.says("FLUSHALL")

    def begin_to_move(self, slot: int, to: RedisServer, *, of: RedisServer) -> None:
        """From here on its keys may be at either end."""
        to.says("CLUSTER", "SETSLOT", str(slot), "IMPORTING", _id(of))
        of.says("CLUSTER", "SETSLOT", str(slot), "MIGRATING", _id(to))

    def move_key(self, key: str, to: RedisServer, *, of: RedisServer) -> None:
        said = of.says("MIGRATE", "127.0.0.1", str(to.port), key, "0", "5000")
        assert said == "OK", said

    def end_to_move(self, slot: int, to: RedisServer) -> None:
        """Whoever asks anywhere is sent to `to` from now on."""
        for server in (to, *self.masters):
            server.says("CLUSTER", "SETSLOT", str(slot), "NODE", _id(to))

    def wait_whole(self) -> None:
        """Returns once each of them knows all, and that all slots are served."""
        deadline = time.monotonic() + _JOIN_S
        for server in self.servers:
            while not _knows(server, len(self.servers)):
                if time.monotonic() > deadline:
                    raise AssertionError(server.says("CLUSTER", "NODES"))
                time.sleep(0.02)


@contextmanager
def redis_cluster(directory: Path, *options: str, replicas: int = 0) -> Iterator[RedisCluster]:
    """Started and joined; killed at the end."""
    with ExitStack() as stack:

        def started(name: str) -> RedisServer:
            (directory / name).mkdir()
            cluster = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
            return stack.enter_context(redis_server(directory / name, *cluster, *options, port=free_port()))

        masters = [started(f"master-{n}") for n in range(MASTERS)]
        cluster = RedisCluster(masters, [started(f"replica-{n}") for n in range(replicas)])
        _join(cluster)
        yield cluster


@cache
def shared_cluster() -> RedisCluster:
    """One for all tests of this process; it ends with it."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(redis_cluster(Path(stack.enter_context(tempfile.TemporaryDirectory()))))


def _join(cluster: RedisCluster) -> None:
    for n, master in enumerate(cluster.masters):
        first, after = (SLOTS * at // MASTERS for at in (n, n + 1))
        master.says("CLUSTER", "ADDSLOTSRANGE", str(first), str(after - 1))
    for epoch, server in enumerate(cluster.servers, 1):
        server.says("CLUSTER", "SET-CONFIG-EPOCH", str(epoch))
    for server in cluster.servers[1:]:
        cluster.masters[0].says("CLUSTER", "MEET", "127.0.0.1", str(server.port), _bus(server))
    cluster.wait_whole()
    for replica, master in zip(cluster.replicas, cluster.masters, strict=False):
        replica.says("CLUSTER", "REPLICATE", _id(master))


def _id(server: RedisServer) -> str:
    return server.says("CLUSTER", "MYID")


def _bus(server: RedisServer) -> str:
    return server.options[server.options.index("--cluster-port") + 1]


def _knows(server: RedisServer, count: int) -> bool:
    info = server.says("CLUSTER", "INFO")
    return "cluster_state:ok" in info and f"cluster_known_nodes:{count}" in info


def _holds(part: str, slot: int) -> bool:
    found = re.fullmatch(r"(\d+)(?:-(\d+))?", part)
    return found is not None and int(found[1]) <= slot <= int(found[2] or found[1])
