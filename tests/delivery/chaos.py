"""The soak: `python -m tests.delivery.chaos --seconds 600 --seed 1`, or `make chaos`.

Clients ask, are cut, forget and come back at random, while the processes of `chatserver serve --workers 2` are killed,
frozen, rolled, drained and restarted at random. What is chosen comes from the seed; when it happens, from the machine,
too. The run goes in rounds: at the end of each the disturbances pause, everybody reads to the end, and the checker
judges.
"""

import argparse
import asyncio
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.delivery.conformance.checker import Fault, check
from tests.delivery.conformance.judge import Closed, Judge, Refused, read_back
from tests.delivery.conformance.scenarios import Play, playing
from tests.delivery.conformance.server import LOGS, Server, scripted_text, serving

ROUND_S = 20.0
END_S = 90.0
"""So long after the last disturbance everything has been read: else it is lost."""
VERDICTS = ("lost", "duplicated", "spliced")


class Chaos:
    def __init__(self, server: Server, seed: int, clients: int) -> None:
        self.counts: Counter[str] = Counter()
        self.faults: list[Fault] = []
        self._server = server
        self._seed = seed
        self._clients = clients
        self._rng = random.Random(f"{seed}-disturbances")
        self._generations: list[tuple[str, int]] = []

    async def run(self, seconds: float) -> None:
        ends = time.monotonic() + seconds
        number = 0
        while time.monotonic() < ends:
            await self._round(number, min(time.monotonic() + ROUND_S, ends))
            number += 1

    async def _round(self, number: int, ends: float) -> None:
        self._generations.clear()
        async with playing(self._server.target(), f"round {number}") as play:
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
        act, weight = zip(*self._acts(), strict=True)
        (chosen,) = self._rng.choices(act, weight)
        await chosen()
        await asyncio.sleep(self._rng.uniform(0.3, 3.0))

    def _acts(self) -> list[tuple[Callable[[], Awaitable[None]], int]]:
        """What may happen, and how often."""
        single = [(self._kill, 4), (self._freeze, 3), (self._roll, 3), (self._drain, 2)]
        return [*single, (self._restart, 1), (self._crash, 1)]

    def _worker(self) -> int | None:
        workers = [process.pid for process in self._server.processes() if process.pid != self._server.pid]
        return self._rng.choice(sorted(workers)) if workers else None

    async def _kill(self) -> None:
        """SIGKILL to one process."""
        if (pid := self._worker()) is not None:
            self.counts["kills"] += 1
            self._signal(signal.SIGKILL, pid)

    async def _freeze(self) -> None:
        """SIGSTOP, perhaps past the lease, and SIGCONT."""
        if (pid := self._worker()) is not None:
            self.counts["freezes"] += 1
            self._signal(signal.SIGSTOP, pid)
            await asyncio.sleep(self._rng.uniform(0.2, 2.5))
            self._signal(signal.SIGCONT, pid)

    async def _roll(self) -> None:
        """SIGHUP: new processes, the old ones drain."""
        self.counts["reloads"] += 1
        self._server.signal(signal.SIGHUP)

    async def _drain(self) -> None:
        """SIGTERM to one process: it drains, and its parent replaces it."""
        if (pid := self._worker()) is not None:
            self.counts["drains"] += 1
            self._signal(signal.SIGTERM, pid)

    async def _restart(self) -> None:
        """SIGTERM to the parent, and the whole server again."""
        self.counts["drains"] += 1
        self._server.signal(signal.SIGTERM)
        await asyncio.to_thread(self._server.wait, 30)
        await self._start()

    async def _crash(self) -> None:
        """SIGKILL to all processes, and the whole server again."""
        self.counts["kills"] += 1
        await asyncio.to_thread(self._server.kill)
        await self._start()

    async def _start(self) -> None:
        await asyncio.sleep(self._rng.uniform(0, 1.5))
        await asyncio.to_thread(lambda: self._server.start().wait_ready())

    def _signal(self, number: signal.Signals, pid: int) -> None:
        with suppress(ProcessLookupError):  # it has just ended by itself
            self._server.signal(number, pid)

    def _sample(self) -> None:
        self._generations += [(answer, number) for answer, number in self._server.generations() if number > 1]

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
    table = Table("count", "", title=f"chaos, seed {result['seed']}, {result['seconds']} s, log {result['log']}")
    for name, count in result["counts"].items():
        table.add_row(name, str(count))
    for fault in result["faults"][:10]:
        table.add_row("[red]fault[/]", fault)
    return table


async def soak(arguments: argparse.Namespace, server: Server) -> dict[str, Any]:
    chaos = Chaos(server, arguments.seed, arguments.clients)
    await chaos.run(arguments.seconds)
    kinds = Counter(fault.kind for fault in chaos.faults)
    counts = dict(sorted(chaos.counts.items())) | {kind: kinds.pop(kind, 0) for kind in VERDICTS}
    counts["other faults"] = kinds.total()
    return {
        "seed": arguments.seed,
        "seconds": arguments.seconds,
        "log": arguments.log,
        "counts": counts,
        "faults": [str(fault) for fault in chaos.faults],
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.delivery.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--log", choices=LOGS, default="sqlite")
    parser.add_argument("--json", type=Path, metavar="OUT")
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY", help="keep data and output there")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        data = (arguments.keep or Path(directory)) / "data"
        data.mkdir(parents=True, exist_ok=True)
        settings = {"CHATSERVER_LEASE_S": "1", "CHATSERVER_DRAIN_S": "2"}
        with serving(Server(data, "serve --workers 2", arguments.log, settings)) as server:
            result = asyncio.run(soak(arguments, server))
    Console().print(shown(result))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return 1 if result["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
