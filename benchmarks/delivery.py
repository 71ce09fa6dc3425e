"""What delivery costs and how fast it is, each against a baseline of the same run.

    python -m benchmarks.delivery --json artifacts/delivery.json [--png artifacts/delivery.png]

cost      CPU per entry, from the scripted model over the SQLite log to the socket, against a bare Starlette send loop
memory    per idle connection, and growth over 200,000 entries
stalled   a thousand clients that stop reading in mid-answer
latency   from the model's token to the client's
takeover  until another process goes on with an answer, after SIGKILL and after a drain
storm     ten thousand clients that come back at once when the server is replaced
"""

import argparse
import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import delivery_cost
from benchmarks.delivery_latency import latency
from benchmarks.delivery_process import bench_server, supervised_server
from benchmarks.stalled import stalled_readers
from benchmarks.storm import storm
from benchmarks.takeover import takeover

Part = Callable[[argparse.Namespace], Awaitable[dict[str, Any]]]


async def cost(arguments: argparse.Namespace) -> dict[str, Any]:
    with TemporaryDirectory() as directory, bench_server(Path(directory)) as (port, process):
        return await delivery_cost.cost_per_entry(port, process, arguments.entries, arguments.rounds)


async def memory(arguments: argparse.Namespace) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name, path in (("idle_kib", "ws"), ("baseline_idle_kib", "bare")):
        with TemporaryDirectory() as directory, bench_server(Path(directory)) as (port, process):
            await delivery_cost.answer(port, 10)
            figures[name] = await delivery_cost.idle_kib(port, process, path, arguments.idle)
    with TemporaryDirectory() as directory, bench_server(Path(directory)) as (port, process):
        return figures | await delivery_cost.growth_mib(port, process, 200_000, 2_000)


async def stalled(arguments: argparse.Namespace) -> dict[str, Any]:
    with TemporaryDirectory() as directory, bench_server(Path(directory)) as (port, process):
        return await stalled_readers(port, process, arguments.idle)


async def measure_latency(arguments: argparse.Namespace) -> dict[str, Any]:
    with TemporaryDirectory() as directory, bench_server(Path(directory)) as (port, _):
        return await latency(port, rounds=arguments.rounds, streams=10)


async def measure_takeover(arguments: argparse.Namespace) -> dict[str, Any]:
    return await takeover(5)


async def measure_storm(arguments: argparse.Namespace) -> dict[str, Any]:
    settings = {"CHATSERVER_DRAIN_S": "1"}
    with TemporaryDirectory() as directory, supervised_server(Path(directory), settings=settings) as (port, process):
        return {"storm": await storm(port, process, arguments.clients, tokens=300)}


PARTS: dict[str, Part] = {
    "cost": cost,
    "memory": memory,
    "stalled": stalled,
    "latency": measure_latency,
    "takeover": measure_takeover,
    "storm": measure_storm,
}


def show(figures: dict[str, Any]) -> None:
    table = Table(title="Delivery")
    table.add_column("figure")
    table.add_column("value", justify="right")
    for name, value in figures.items():
        table.add_row(name, str(value))
    Console().print(table)


async def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for name in arguments.parts or PARTS:
        figures |= await PARTS[name](arguments)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--png", type=Path, help="draw them there (needs the extra `bench`)")
    parser.add_argument("--entries", type=int, default=4000, help="text entries of one answer")
    parser.add_argument("--rounds", type=int, default=15, help="pairs of runs")
    parser.add_argument("--idle", type=int, default=1000, help="idle connections")
    parser.add_argument("--clients", type=int, default=10_000, help="clients of the storm")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - PARTS.keys():
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    figures = asyncio.run(measure(arguments))
    show(figures)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")
    if arguments.png:
        from benchmarks.delivery_plot import draw

        arguments.png.parent.mkdir(parents=True, exist_ok=True)
        draw(figures, arguments.png)


if __name__ == "__main__":
    main()
