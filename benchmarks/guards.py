"""What guards are for: no question waits for an upstream that is slow, gone or failing.

    python -m benchmarks.guards [--questions 10000] [--only PART] [--json FILE]

Over the sample in the embedded stores. Distant stores are played by waiting before the embedded ones are asked; the
model is a server of our own (`benchmarks.faulty_model`), asked through the official SDK over a loopback port. In
`all_faulty` vectors are behind Pinecone's SDK at the tests' server, and the graph in a real Neo4j (`make neo4j`). Times
drift with the machine's load: what counts is each one beside what it is compared with.
"""

import argparse
import asyncio
import json
import logging
import os
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import structlog
from rich.console import Console
from rich.table import Table

from benchmarks.guarded_legs import legs
from benchmarks.guarded_questions import all_faulty, faulty, patient

PARTS: dict[str, Callable[[int], Coroutine[Any, Any, dict[str, Any]]]] = {
    "legs": lambda questions: legs(),
    "patient": lambda questions: patient(),
    "faulty": faulty,
    "all_faulty": all_faulty,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PARTS, action="append", help="this part (may be given again)")
    parser.add_argument("--questions", type=int, default=10_000, help="asked of upstreams that fail")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    logging.disable()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))  # thousands of faults are meant
    figures: dict[str, Any] = {"load": round(os.getloadavg()[0], 1), "cpus": os.cpu_count()}
    for name in arguments.only or PARTS:
        figures |= asyncio.run(PARTS[name](arguments.questions))
    table = Table("figure", "value", title="Guards")
    for name, value in figures.items():
        table.add_row(name, str(value))
    Console().print(table)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
