"""Where an embedder's cosines lie: what `retrieval.scale` reads for each.

    python -m benchmarks.calibrate DIR… --embedder NAME [--out retrieval/scales.json]

A DIR is as for `benchmarks.retrieval`. `background` is the mean cosine of its questions with all its passages, `best`
that with the nearest one; which passages are gold is not looked at. Printed for each DIR, and the scale that follows
from their means, which `--out` puts into that file beside those of other embedders.
"""

import argparse
import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.retrieval_base import EMBEDDERS
from retrieval.chunking import embedded_text
from retrieval.ports import Embedder
from retrieval.scale import Means, means, measured
from retrieval.types import Passage


async def cosines(directory: Path, embedder: Embedder) -> tuple[float, float]:
    """(background, best)."""
    rows = _lines(directory / "corpus.jsonl")
    passages = [Passage(row["id"], row["id"], row["title"], row["text"]) for row in rows]
    texts = np.array(await embedder.embed([embedded_text(passage) for passage in passages]))
    questions = np.array(await embedder.embed([row["question"] for row in _lines(directory / "questions.jsonl")]))
    found = questions @ texts.T
    return float(found.mean()), float(found.max(axis=1).mean())


def _lines(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


async def run(directories: Sequence[Path], name: str) -> Means:
    embedder = EMBEDDERS[name]()
    try:
        found = [await cosines(directory, embedder) for directory in directories]
    finally:
        await embedder.aclose()
    for directory, (background, best) in zip(directories, found, strict=True):
        print(f"{directory.name}: background {background:.3f}, best {best:.3f}")
    background, best = (round(float(mean), 3) for mean in np.mean(found, axis=0))
    scale = measured(background, best)
    print(f"{embedder.name}: floor {scale.floor:.3f}, span {scale.span:.3f}")
    return {"background": background, "best": best}


def keep(found: Means, name: str, out: Path) -> None:
    out.write_text(json.dumps({**means(), EMBEDDERS[name].name: found}, indent=2) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description="The cosine scale of an embedder.")
    parser.add_argument("directories", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--embedder", choices=sorted(EMBEDDERS), default="wordllama")
    parser.add_argument("--out", type=Path, metavar="FILE", help="where to keep what was measured (default: nowhere)")
    arguments = parser.parse_args()
    found = asyncio.run(run(arguments.directories, arguments.embedder))
    if arguments.out:
        keep(found, arguments.embedder, arguments.out)


if __name__ == "__main__":
    main()
