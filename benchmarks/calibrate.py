"""Where an embedder's cosines lie: what `retrieval.scale` has for each.

    python -m benchmarks.calibrate DIR… --embedder NAME

A DIR is as for `benchmarks.retrieval`. `background` is the mean cosine of its questions with all its passages, `best`
that with the nearest one; which passages are gold is not looked at. Printed for each DIR, and the scale of their means.
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
from retrieval.scale import measured
from retrieval.types import Passage


async def means(directory: Path, embedder: Embedder) -> tuple[float, float]:
    """(background, best)."""
    rows = _lines(directory / "corpus.jsonl")
    passages = [Passage(row["id"], row["id"], row["title"], row["text"]) for row in rows]
    texts = np.array(await embedder.embed([embedded_text(passage) for passage in passages]))
    questions = np.array(await embedder.embed([row["question"] for row in _lines(directory / "questions.jsonl")]))
    cosines = questions @ texts.T
    return float(cosines.mean()), float(cosines.max(axis=1).mean())


def _lines(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


async def run(directories: Sequence[Path], name: str) -> None:
    embedder = EMBEDDERS[name]()
    try:
        found = [await means(directory, embedder) for directory in directories]
    finally:
        await embedder.aclose()
    for directory, (background, best) in zip(directories, found, strict=True):
        print(f"{directory.name}: background {background:.3f}, best {best:.3f}")
    scale = measured(*(float(mean) for mean in np.mean(found, axis=0)))
    print(f"{embedder.name}: floor {scale.floor:.3f}, span {scale.span:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="The cosine scale of an embedder.")
    parser.add_argument("directories", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--embedder", choices=sorted(EMBEDDERS), default="wordllama")
    arguments = parser.parse_args()
    asyncio.run(run(arguments.directories, arguments.embedder))


if __name__ == "__main__":
    main()
