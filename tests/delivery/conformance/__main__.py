"""`python -m tests.delivery.conformance URL`: plays every network scenario against a server and prints the verdicts.

The server must answer a question of the form of `--question` with so many text entries, one every so many milliseconds.
"""

import argparse
import asyncio
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.delivery.conformance.checker import Report
from tests.delivery.conformance.judge import Closed, Refused, Target
from tests.delivery.conformance.scenarios import SCENARIOS, Broken, Scenario, judged

QUESTION = "/script tokens={tokens} delay_ms={delay_ms}"


async def play(scenario: Scenario, target: Target) -> dict[str, Any]:
    began = time.monotonic()
    report, broken = Report(), ""
    try:
        report = await judged(scenario, target)
    except (Broken, Closed, Refused, OSError, TimeoutError) as error:
        broken = f"{type(error).__name__}: {error}"
    return {
        "scenario": scenario.__name__,
        "ok": report.ok and not broken,
        "broken": broken,
        "counts": dict(report.counts),
        "faults": [asdict(fault) for fault in report.faults],
        "seconds": round(time.monotonic() - began, 2),
    }


def table(results: list[dict[str, Any]]) -> Table:
    shown = Table("scenario", "verdict", "answers", "entries", "cuts", "s", "what is wrong")
    for result in results:
        faults = [f"{fault['kind']}: {fault['detail']}" for fault in result["faults"]]
        wrong = "; ".join(filter(None, [result["broken"], *faults[:2], f"… {len(faults)} faults" * (len(faults) > 2)]))
        counts = [str(result["counts"].get(name, 0)) for name in ("answers", "entries", "cuts")]
        verdict = "[green]holds[/]" if result["ok"] else "[red]broken[/]"
        shown.add_row(result["scenario"], verdict, *counts, str(result["seconds"]), wrong)
    return shown


async def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.delivery.conformance", description=__doc__)
    parser.add_argument("url", help="of the WebSocket, e.g. ws://127.0.0.1:8000/ws")
    parser.add_argument("--question", default=QUESTION, help="template with {tokens} and {delay_ms}")
    parser.add_argument("--header", action="append", default=[], metavar="NAME=VALUE", help="sent with each connect")
    parser.add_argument("--only", action="append", metavar="SCENARIO", help="instead of all")
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the verdicts there")
    arguments = parser.parse_args()
    headers = dict(header.split("=", 1) for header in arguments.header)
    target = Target(
        arguments.url,
        lambda tokens, delay_ms: arguments.question.format(tokens=tokens, delay_ms=delay_ms),
        headers=headers,
    )
    scenarios = [s for s in SCENARIOS if not arguments.only or s.__name__ in arguments.only]
    results = [await play(scenario, target) for scenario in scenarios]
    Console().print(table(results))
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 0 if all(result["ok"] for result in results) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
