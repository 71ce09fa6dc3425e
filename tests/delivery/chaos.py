"""The soak: `python -m tests.delivery.chaos --seconds 600 --seed 1`, or `make chaos`.

Clients ask, are cut, forget and come back at random, while the processes of `chatserver serve --workers 2` are killed,
frozen, rolled, drained and restarted at random; with `--log redis --nodes 3`, while that happens to nodes on one Redis
behind one address, to their ways to Redis, and to Redis itself. What is chosen comes from the seed; when it happens,
from the machine too. The run goes in rounds: at the end of each the disturbances pause, everybody reads to the end, and
the checker judges.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.contracts.redis_server import JOURNALED, RedisServer, redis_server
from tests.delivery.conformance.checker import Fault, check
from tests.delivery.conformance.front import front
from tests.delivery.conformance.judge import Closed, Judge, Refused, read_back
from tests.delivery.conformance.proxy import proxy
from tests.delivery.conformance.scenarios import Play, playing
from tests.delivery.conformance.server import LOGS, Server, scripted_text, serving
from tests.delivery.disturbances import Disturbances, ManyNodes, OneServer
from tests.ports import free_port

ROUND_S = 20.0
END_S = 90.0
"""So long after the last disturbance everything has been read: else it is lost."""
VERDICTS = ("lost", "duplicated", "spliced")
SETTINGS = {"CHATSERVER_LEASE_S": "1", "CHATSERVER_DRAIN_S": "2"}


class Chaos:
    def __init__(self, field: Disturbances, seed: int, clients: int, rng: random.Random) -> None:
        self.counts: Counter[str] = Counter()
        self.faults: list[Fault] = []
        self._field = field
        self._seed = seed
        self._clients = clients
        self._rng = rng
        self._generations: list[tuple[str, int]] = []

    async def run(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        number = 0
        while time.monotonic() < ends:
            await self._round(number, min(time.monotonic() + ROUND_S, ends))
            number += 1

    async def _round(self, number: int, ends: float) -> None:
        self._generations.clear()
        async with playing(self._field.target(), f"round {number}") as play:
            clients = [
                asyncio.create_task(self._live(play, random.Random(f"{self._seed}-{number}-{n}"), ends))
                for n in range(self._clients)
            ]
            while time.monotonic() < ends:
                await self._disturb()
                self._sample()
            await asyncio.gather(*clients)
        await self._judge(play)

    async def _live(self, play: Play, rng: random.Random, ends: float) -> None:
        while time.monotonic() < ends:
            await self._ask(play, rng)

    async def _ask(self, play: Play, rng: random.Random) -> None:
        """One client: it asks a little in one chat, and reads that to the end, over bad connections."""
        client = play.judge(f" client {len(play.judges)}")
        chat = play.chat(len(play.judges))
        try:
            async with asyncio.timeout(ROUND_S + END_S):
                await client.come_back()
                for n in range(rng.randint(1, 3)):
                    ask = {"id": f"{chat}-{n}", "chat": chat, "text": question(rng)}
                    client.pending[ask["id"]] = ask
                    await client.send_if_connected("ask", **ask)
                while not client.has_all():
                    for _ in range(rng.randint(1, 150)):
                        if client.has_all():
                            break
                        await client.step(chat)
                    await self._misbehave(client, chat, rng)
                for answer, kept in client.answers.items():
                    await client.send_if_connected("ack", answer=answer, seq=kept.seq)
        except TimeoutError:
            pass  # the checker finds what is missing
        finally:
            await client.close()

    async def _misbehave(self, client: Judge, chat: str, rng: random.Random) -> None:
        match rng.choice(["cut", "cut", "forget", "stop", "ask again", "wait", "resume"]):
            case "cut":
                client.cut()
            case "forget":
                client.cut()
                client.lose_cursors()
                await client.come_back(chat)
            case "stop" if client.answers and rng.random() < 0.3:
                self.counts["stops"] += 1
                await client.send_if_connected("stop", answer=rng.choice(sorted(client.answers)))
            case "ask again" if client.journal.sent("ask"):
                ask = rng.choice(client.journal.sent("ask"))
                await client.send_if_connected("ask", id=ask["id"], chat=chat, text=ask["text"])
            case "wait":
                client.cut()
                await asyncio.sleep(rng.random())
            case "resume":
                with suppress(Closed, Refused):
                    await client.resume(chat)

    async def _disturb(self) -> None:
        """One disturbance, and some quiet after it."""
        act, weight = zip(*self._field.acts(), strict=True)
        (chosen,) = self._rng.choices(act, weight)
        await chosen()
        await asyncio.sleep(self._rng.uniform(0.3, 3.0))

    def _sample(self) -> None:
        self._generations += [(answer, number) for answer, number in self._field.generations() if number > 1]

    async def _judge(self, play: Play) -> None:
        journals = [client.journal for client in play.judges]
        chats: dict[str, set[str]] = {}
        for journal in journals:
            for accepted in journal.got("accepted"):
                chats.setdefault(accepted["chat"], set()).add(accepted["answer"])
        logs = await read_back(play.target, {chat: sorted(answers) for chat, answers in chats.items()})
        self._sample()
        report = check(journals, logs, expect=scripted_text, generations=self._generations)
        self.counts.update(report.counts)
        self.counts["rounds"] += 1
        newest = {answer: number for answer, number in self._generations if answer in logs}
        self.counts["taken over"] += sum(number - 1 for number in newest.values())
        self.faults += report.faults
        for journal in journals:
            for ask in {ask["id"] for ask in journal.sent("ask")} - {got["id"] for got in journal.got("accepted")}:
                self.faults.append(Fault("lost", journal.client, "-", f"ask {ask} was never accepted"))


def question(rng: random.Random) -> str:
    """Short and long, quick and slow, small and large; some that fail."""
    tokens, delay_ms = rng.choice([(5, 0), (40, 5), (100, 10), (150, 20), (400, 0), (30, 100)])
    text = f"/script tokens={rng.randint(1, tokens)} delay_ms={delay_ms} size={rng.choice([8, 8, 80, 2000])}"
    return text + (f" fail_after={rng.randint(0, tokens)}" if rng.random() < 0.05 else "")


def shown(result: dict[str, Any]) -> Table:
    title = f"chaos, seed {result['seed']}, {result['seconds']} s, log {result['log']}, nodes {result['nodes']}"
    table = Table("count", "", title=title)
    for name, count in result["counts"].items():
        table.add_row(name, str(count))
    for fault in result["faults"][:10]:
        table.add_row("[red]fault[/]", fault)
    return table


@asynccontextmanager
async def many_nodes(
    redis: RedisServer, count: int, directory: Path, rng: random.Random
) -> AsyncIterator[Disturbances]:
    """So many nodes on this Redis, which listens on a port."""
    async with AsyncExitStack() as stack:
        networks = [await stack.enter_async_context(proxy(redis.port)) for _ in range(count)]
        nodes = []
        for n, network in enumerate(networks):
            (directory / str(n)).mkdir(exist_ok=True)
            settings = SETTINGS | {"CHATSERVER_REDIS_URL": f"redis://127.0.0.1:{network.port}"}
            nodes.append(Server(directory / str(n) / "data", settings=settings, forgives="Redis does not answer"))
            stack.enter_context(serving(nodes[-1], ready=False))
        for node in nodes:
            await asyncio.to_thread(node.wait_ready)
        address = await stack.enter_async_context(front([node.place for node in nodes]))
        yield ManyNodes(nodes, networks, redis, address, rng)
        for node in nodes:  # the last one hit may still be starting
            if node.has_ended():
                node.start()
            await asyncio.to_thread(node.wait_ready)


async def soak(arguments: argparse.Namespace, directory: Path) -> dict[str, Any]:
    rng = random.Random(f"{arguments.seed}-disturbances")
    async with AsyncExitStack() as stack:
        field: Disturbances
        if arguments.nodes > 1:
            redis = stack.enter_context(redis_server(directory, *JOURNALED, port=free_port()))
            field = await stack.enter_async_context(many_nodes(redis, arguments.nodes, directory, rng))
        else:
            server = Server(directory / "data", "serve --workers 2", arguments.log, SETTINGS)
            field = OneServer(stack.enter_context(serving(server)), rng)
        chaos = Chaos(field, arguments.seed, arguments.clients, rng)
        await chaos.run(arguments.seconds)
    kinds = Counter(fault.kind for fault in chaos.faults)
    counts = dict(sorted((chaos.counts + field.counts).items())) | {kind: kinds.pop(kind, 0) for kind in VERDICTS}
    counts["other faults"] = kinds.total()
    return {
        "seed": arguments.seed,
        "seconds": arguments.seconds,
        "log": arguments.log,
        "nodes": arguments.nodes,
        "counts": counts,
        "faults": [str(fault) for fault in chaos.faults],
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.delivery.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--log", choices=LOGS, default="sqlite")
    parser.add_argument("--nodes", type=int, default=1, help="servers on one Redis")
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY", help="keep data and output there")
    arguments = parser.parse_args()
    if arguments.nodes > 1 and arguments.log != "redis":
        parser.error("several nodes need --log redis")
    with tempfile.TemporaryDirectory() as temporary:
        directory = arguments.keep or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        result = asyncio.run(soak(arguments, directory))
    Console().print(shown(result))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 1 if result["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
