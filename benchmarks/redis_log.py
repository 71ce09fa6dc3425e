"""What the answer log on Redis costs and how fast it is. Starts a `redis-server` of its own.

    python -m benchmarks.redis_log [--json OUT]

append       CPU of the process per entry, 200 streams at once, at one and at four entries a batch, and Redis's own;
             against bare pipelined commands of the same number on the same connection
other_node   from the append at one node to the socket of a client at another, against one at the same node; one stream
             and 200, 20 tokens a second each, a batch each; and how busy the processes were (1.0 is a core)
connections  of one node at 10 and at 10,000 chats that it follows
memory       in Redis, per answer of 300 batches, before and after it is compacted
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import time
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.delivery_process import ask, bench_server, connect, cpu_s
from benchmarks.raw_socket import RawSocket
from chatserver.answers.log import Batch, Claim
from chatserver.answers.meta import NewAnswer
from chatserver.answers.redis import RedisAnswerLog
from chatserver.answers.redis_held import START, Held
from chatserver.answers.redis_keys import entries_key
from chatserver.answers.states import AnswerState

STREAMS = 200
LEASE_S = 60.0
ENTRY = b'{"type":"text-delta","id":"text-0","delta":"about as long as a token is "}'


@contextmanager
def redis_server() -> Iterator[str]:
    """Its URL; no persistence, so that the disk of the machine does not take part."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "redis.sock"
        command = ["redis-server", "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", directory]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            while not path.exists():
                time.sleep(0.01)
            yield f"unix://{path}"
        finally:
            process.terminate()
            process.wait(10)


async def begun(log: RedisAnswerLog, count: int) -> list[Claim]:
    """So many answers, claimed."""

    async def begin() -> Claim:
        answer = uuid.uuid4().hex
        await log.create(NewAnswer(answer, "e", "ada", answer, answer, "What?", time.time()))
        held = await log.claim(answer, "bench", LEASE_S)
        assert held is not None
        return held[0]

    return list(await asyncio.gather(*(begin() for _ in range(count))))


async def append_us(log: RedisAnswerLog, entries: int, batches: int) -> dict[str, float]:
    """Microseconds per entry: our CPU, Redis's in the script, and by the clock."""
    claims = await begun(log, STREAMS)

    async def stream(claim: Claim) -> None:
        for n in range(batches):
            await log.append(claim, Batch(f"{n:032}", n * entries, [ENTRY] * entries), LEASE_S)

    await log._writes.call("CONFIG", "RESETSTAT")
    began_cpu, began = time.process_time(), time.perf_counter()
    await asyncio.gather(*map(stream, claims))
    cpu, wall = time.process_time() - began_cpu, time.perf_counter() - began
    told = STREAMS * batches * entries
    stats = (await log._writes.call("INFO", "commandstats")).decode()
    script = float(stats.split("cmdstat_evalsha:")[1].split("usec=")[1].split(",")[0])
    return {"cpu": cpu / told * 1e6, "redis": script / told, "wall": wall / told * 1e6}


async def bare_us(log: RedisAnswerLog, calls: int) -> float:
    """CPU microseconds of one awaited command, pipelined over as many callers: what the wire alone costs."""

    async def stream() -> None:
        for _ in range(calls):
            await log._writes.call("PING")

    began = time.process_time()
    await asyncio.gather(*(stream() for _ in range(STREAMS)))
    return (time.process_time() - began) / (STREAMS * calls) * 1e6


async def append(arguments: argparse.Namespace) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    with redis_server() as url:
        log = await RedisAnswerLog.open(url)
        await append_us(log, 1, 20)  # warm-up
        rounds = [
            (await bare_us(log, 200), await append_us(log, 1, 200), await append_us(log, 4, 100))
            for _ in range(arguments.rounds)
        ]
        await log.aclose()
    figures["bare_us_per_command"] = _median([bare for bare, _, _ in rounds])
    for name, column in (("1", 1), ("4", 2)):
        for kind in ("cpu", "redis", "wall"):
            figures[f"{kind}_us_per_entry_at_{name}"] = _median([each[column][kind] for each in rounds])  # type: ignore[index]
    figures["ratio_at_1"] = round(figures["cpu_us_per_entry_at_1"] / figures["bare_us_per_command"], 2)
    return figures


async def other_node(arguments: argparse.Namespace) -> dict[str, Any]:
    figures: dict[str, Any] = {"other_node_streams": arguments.readers}
    with redis_server() as url, TemporaryDirectory() as directory:
        os.environ |= {"BENCH_REDIS_URL": url, "BENCH_LINGER_S": "0"}
        with bench_server(Path(directory) / "a") as a, bench_server(Path(directory) / "b") as b:
            await asyncio.gather(_behind_ms(a[0], b[0], 5), _behind_ms(b[0], a[0], 5))
            for streams, name in ((1, "one_"), (arguments.readers, "")):
                for where, reading in (("same", a), ("other", b)):
                    before, began = (cpu_s(a[1]), cpu_s(b[1]), time.process_time()), time.perf_counter()
                    async with asyncio.TaskGroup() as group:
                        tasks = [group.create_task(_behind_ms(a[0], reading[0], 200)) for _ in range(streams)]
                    took = time.perf_counter() - began
                    after = (cpu_s(a[1]), cpu_s(b[1]), time.process_time())
                    behind = [each for task in tasks for each in task.result()]
                    cuts = statistics.quantiles(behind, n=100)
                    kind = f"{name}{where}_node"
                    figures |= {f"{kind}_ms_p50": round(cuts[49], 1), f"{kind}_ms_p99": round(cuts[98], 1)}
                    for who, ended, started in zip(("a", "b", "client"), after, before, strict=True):
                        figures[f"{kind}_busy_{who}"] = round((ended - started) / took, 2)
    figures["load_average"] = round(os.getloadavg()[0], 1)
    return figures


async def _behind_ms(a: int, b: int, tokens: int) -> list[float]:
    """Asked at A by a client that leaves, read at B: append to socket, of those tokens that were not read late because
    the reader came late."""
    await asyncio.sleep(random.uniform(0, 1))  # spread, as people are
    chat = uuid.uuid4().hex
    async with await connect(a) as asking:
        await asking.send(ask(f"/stamped tokens={tokens} delay_ms=50", chat=chat))
        while json.loads(await asking.recv())["type"] != "accepted":
            pass
    reader = _Reader(chat)
    await asyncio.get_running_loop().create_connection(lambda: reader.socket, "127.0.0.1", b)
    await reader.ended
    reader.socket.close()
    return reader.behind


class _Reader:
    """Takes no more of the machine than it must: what it takes is missing to the nodes."""

    def __init__(self, chat: str) -> None:
        self.chat = chat
        self.behind: list[float] = []
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.socket = RawSocket("/ws", self._on_text, self._on_end)

    def _on_text(self, text: bytes) -> None:
        now = time.monotonic_ns()
        if text.startswith(b'{"type":"welcome"'):
            self.socket.send(json.dumps({"type": "resume", "chat": self.chat}).encode())
        elif text.startswith(b'{"type":"end"'):
            self.ended.set_result(None)
        elif b'"text-delta"' in text and b'"replay":true' not in text:
            stamps = text.rpartition(b'"delta":"')[2].partition(b'"')[0].split()
            self.behind += [(now - int(stamp)) / 1e6 for stamp in stamps]

    def _on_end(self, code: int | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(RuntimeError(f"the connection ended before the answer, with {code}"))


async def connections(arguments: argparse.Namespace) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    with redis_server() as url:
        log = await RedisAnswerLog.open(url)
        followed = 0
        for chats in (10, 10_000):
            while followed < chats:
                answers = [claim.answer for claim in await begun(log, min(500, chats - followed))]
                await asyncio.gather(*map(log.follow, answers))
                followed += len(answers)
            info = (await log._writes.call("INFO", "clients")).decode()
            figures[f"connections_at_{chats}_chats"] = int(info.split("connected_clients:")[1].split()[0])
        await log.aclose()
    return figures


async def memory(arguments: argparse.Namespace) -> dict[str, Any]:
    with redis_server() as url:
        log = await RedisAnswerLog.open(url)
        (claim,) = await begun(log, 1)
        for n in range(300):
            await log.append(claim, Batch(f"{n:032}", n, [_token(n)]), LEASE_S)
        held = log._restorer.held_by(claim)
        assert isinstance(held, Held)
        assert held.after(0, START) is not None
        before = int(await log._writes.call("MEMORY", "USAGE", entries_key(claim.answer)))
        await log.append(claim, Batch("end", 300, [b'{"type":"finish"}'], AnswerState.COMPLETED), LEASE_S)
        await log._restorer._compact(held)
        after = int(await log._writes.call("MEMORY", "USAGE", entries_key(claim.answer)))
        await log.aclose()
    return {"answer_kib_in_batches": round(before / 1024, 1), "answer_kib_compacted": round(after / 1024, 1)}


def _token(n: int) -> bytes:
    return b'{"type":"text-delta","id":"text-0","delta":"word%d "}' % (n * 7919 % 1000)


def _median(values: list[float]) -> float:
    return round(statistics.median(values), 2)


PARTS: dict[str, Callable[[argparse.Namespace], Coroutine[Any, Any, dict[str, Any]]]] = {
    "append": append,
    "other_node": other_node,
    "connections": connections,
    "memory": memory,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, action="append", help="this part (may be given again)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--readers", type=int, default=STREAMS, help="answers read at the other node at once")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    figures: dict[str, Any] = {}
    for name in arguments.only or PARTS:
        figures |= asyncio.run(PARTS[name](arguments))
    table = Table("figure", "value", title="Answer log on Redis")
    for name, value in figures.items():
        table.add_row(name, str(value))
    Console().print(table)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
