"""Trains the ranker: conditional logistic regression over the pools that the real retrieval makes.

    python -m benchmarks.train_ranker DIR… [--embedder minilm] [--out retrieval/ranker.json]

A DIR is as for `benchmarks.retrieval`. Prints recall by five folds over the questions, and with each corpus left out of
the training in turn, its single-hop questions with it; never on what was trained on. Then trains on everything and
writes the weights.

    maximise  sum over questions of weight * log p(gold | pool)  -  L2 / 2 * |w|^2      (features in standard units)

with p = exp(w . x) / sum of exp(w . x') over the gold passage and those that are not gold, averaged over the gold
passages in the pool. Each set of questions weighs the same whatever its size, the single-hop ones too: without them
simple questions lose at rank 1. Newton's method; the objective is concave.
"""

import argparse
import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from benchmarks.retrieval_base import EMBEDDERS, Parts, ingested
from benchmarks.retrieval_corpora import Corpus, Question, corpora
from retrieval.features import NAMES, features
from retrieval.pool import Pool, begun
from retrieval.ranker import WALK, Ranker
from retrieval.types import Query
from retrieval.walk import walked

Floats: TypeAlias = npt.NDArray[np.float64]

CUTS = (1, 2, 5, 10)
DEPTH = 20  # passages asked for: ten documents, also when some come in several chunks
FOLDS = 5
L2 = 20.0
SET_WEIGHT = 100.0
HELPFUL = frozenset(["graph", "vector_rank", "expanded", "title_cover", "gain", "joint"])
"""More of these never lowers a passage. A weight that says otherwise fits the training corpora, where a passage that
matches well but is not gold has many like it, and would cost where nothing is linked. Cosine, BM25 and the weight of
the words covered had such weights beside `expanded`, which has them all: they are no features."""
STRIDE = 3.0
"""The weight of the walk. By folds and with each corpus left out, anything from 1.5 to 4 finds the same within one
question of a hundred. The likelihood would have 0.3: for that the first passage of a chain matters as the last does."""
_STEPS, _SMALL = 30, 1e-3


@dataclass(frozen=True, slots=True)
class Example:
    """One question's pool, best first as it was before the ranking: a row of `x` for each candidate, whether it is
    gold, and its document; the rows that the first one links to, and what the ways between rows are worth."""

    set: str
    corpus: str
    x: Floats
    gold: npt.NDArray[np.bool_]
    documents: Sequence[str]
    wanted: frozenset[str]
    led: frozenset[int] = frozenset()
    ways: Mapping[tuple[int, int], float] = field(default_factory=dict)


class Recorder(Ranker):
    """Keeps the last pool instead of ranking it."""

    def __init__(self) -> None:
        super().__init__({})
        self.pool: Pool | None = None

    def taken(self) -> Pool | None:
        """The last pool, once."""
        pool, self.pool = self.pool, None
        return pool

    def rank(self, pool: Pool) -> dict[str, float]:
        self.pool = pool
        return super().rank(pool)


async def examples(directories: Sequence[Path], embedder: str, console: Console) -> list[Example]:
    found: list[Example] = []
    for corpus in corpora(directories):
        async with ingested(corpus.file, embedder, console) as base:
            found += [one for _, one in await recorded(base.parts, corpus)]
    return found


async def recorded(parts: Parts, corpus: Corpus) -> list[tuple[Question, Example]]:
    """What the ranker would have been given for each question; nothing for one that no leg finds anything for."""
    recorder = Recorder()
    hybrid = parts.hybrid(ranker=recorder)
    found: list[tuple[Question, Example]] = []
    for name, questions in corpus.sets.items():
        for question in questions:
            await hybrid.search(Query(question.text, top_k=DEPTH))
            if pool := recorder.taken():
                found.append((question, example(name, corpus.name, pool, question.gold)))
    return found


def fold_rankers(given: Sequence[tuple[Question, Example]]) -> dict[tuple[str, str], Ranker]:
    """(set, question) -> a ranker trained on the other folds."""
    only = [one for _, one in given]
    folds = list(map(fold_of(only), range(len(only))))
    rankers = {
        left_out: ranker(train([one for one, fold in zip(only, folds, strict=True) if fold != left_out]))
        for left_out in set(folds)
    }
    return {(one.set, asked.text): rankers[fold] for (asked, one), fold in zip(given, folds, strict=True)}


def ranker(weights: Floats) -> Ranker:
    return Ranker(dict(zip((*NAMES, WALK), weights.tolist(), strict=True)))


def example(set_name: str, corpus: str, pool: Pool, wanted: frozenset[str]) -> Example:
    rows = features(pool)
    x = np.array([[rows[passage.id].get(name, 0.0) for name in NAMES] for passage in pool.passages])
    documents = [passage.document for passage in pool.passages]
    gold = np.array([document in wanted for document in documents])
    led = {link.target for link in pool.links if link.source == pool.passages[0].id} if pool.passages else set()
    behind = frozenset(row for row, passage in enumerate(pool.passages) if passage.id in led)
    places = {passage.id: row for row, passage in enumerate(pool.passages)}
    ways = {(places[source], places[target]): weight for (source, target), weight in pool.ways.items()}
    return Example(set_name, corpus, x, gold, documents, wanted, behind, ways)


def train(given: Sequence[Example]) -> Floats:
    """The weights of both passes: in the order of `NAMES`, for features as they are, and that of the walk."""
    return np.append(first_pass(given), STRIDE)


def first_pass(given: Sequence[Example]) -> Floats:
    """Those of `HELPFUL` that would be negative are left out, and the others trained again."""
    used = np.ones(len(NAMES), dtype=bool)
    while True:
        weights = fitted(given, used)
        harmful = [index for index, name in enumerate(NAMES) if name in HELPFUL and weights[index] < 0]
        if not harmful:
            return weights
        used[harmful] = False


def visited(one: Example, told: Floats) -> Floats:
    visits = walked(dict(enumerate(np.exp(told - told.max()).tolist())), one.ways)
    return np.array([visits.get(row, 0.0) for row in range(len(told))])


def judged(one: Example, weights: Floats) -> Floats:
    """What a ranker with these weights orders by."""
    told: Floats = one.x @ weights[:-1]
    order: Floats = told + weights[-1] * visited(one, told)
    return order


def fitted(given: Sequence[Example], used: npt.NDArray[np.bool_]) -> Floats:
    """Weights that are 0 where a feature is not used."""
    spread = np.vstack([one.x for one in given]).std(axis=0)
    spread[spread == 0] = 1.0
    sizes = {name: sum(one.set == name for one in given) for name in {one.set for one in given}}
    pools = [(one.x * used / spread, one.gold, SET_WEIGHT / sizes[one.set]) for one in given if one.gold.any()]
    weights = np.zeros(len(used))
    value, gradient, curvature = objective(pools, weights)
    for _ in range(_STEPS):
        step = np.linalg.solve(curvature, gradient)
        while (following := objective(pools, weights + step))[0] < value:
            step /= 2
        weights += step
        value, gradient, curvature = following
        if np.abs(step).max() < _SMALL:
            break
    result: Floats = weights / spread
    return result


def objective(
    pools: Iterable[tuple[Floats, npt.NDArray[np.bool_], float]], weights: Floats
) -> tuple[float, Floats, Floats]:
    """Its value, gradient and negative Hessian."""
    value, gradient, curvature = -L2 / 2 * float(weights @ weights), -L2 * weights, L2 * np.eye(len(weights))
    for x, gold, weight in pools:
        logits = x @ weights
        each = weight / gold.sum()
        for row in np.flatnonzero(gold):
            among = np.concatenate(([row], np.flatnonzero(~gold)))
            highest = logits[among].max()
            odds = np.exp(logits[among] - highest)
            shares = odds / odds.sum()
            mean = shares @ x[among]
            value += each * float(np.log(shares[0]))
            gradient += each * (x[row] - mean)
            curvature += each * ((x[among] * shares[:, None]).T @ x[among] - np.outer(mean, mean))
    return value, gradient, curvature


def recalls(one: Example, weights: Floats) -> list[float]:
    order = begun(np.argsort(-judged(one, weights), kind="stable").tolist(), 0, one.led)
    documents = list(dict.fromkeys(one.documents[row] for row in order))
    return [len(one.wanted.intersection(documents[:cut])) / len(one.wanted) for cut in CUTS]


def validated(given: Sequence[Example], part: Callable[[int], object]) -> dict[str, list[float]]:
    """Mean recalls in percent by set, each example judged by weights trained on the other parts."""
    parts = [part(index) for index in range(len(given))]
    found: dict[str, list[list[float]]] = {}
    for left_out in dict.fromkeys(parts):
        weights = train([one for one, of in zip(given, parts, strict=True) if of != left_out])
        for one, of in zip(given, parts, strict=True):
            if of == left_out:
                found.setdefault(one.set, []).append(recalls(one, weights))
    return {name: [round(100 * float(mean), 1) for mean in np.mean(rows, axis=0)] for name, rows in found.items()}


def fold_of(given: Sequence[Example]) -> Callable[[int], int]:
    """Folds in which questions with a gold passage in common, as a chain and its single hops have, stay together."""
    group: dict[tuple[str, str], int] = {}
    members: dict[int, list[tuple[str, str]]] = {}
    for index, one in enumerate(given):
        members[index] = [(one.corpus, document) for document in one.wanted]
        for other in {group[member] for member in members[index] if member in group}:
            members[index] += members.pop(other)
        group.update(dict.fromkeys(members[index], index))
    groups = sorted(members)
    folds = dict(zip(groups, np.random.default_rng(0).permutation(len(groups)) % FOLDS, strict=True))
    return lambda index: int(folds[group[given[index].corpus, min(given[index].wanted)]])


def show(console: Console, title: str, figures: Mapping[str, Sequence[float]]) -> None:
    table = Table("set", *(f"R@{cut}" for cut in CUTS), title=title)
    for name, recalls in figures.items():
        table.add_row(name, *(f"{recall:.1f}" for recall in recalls))
    console.print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description="Trains the ranker; figures are cross-validated.")
    parser.add_argument("directories", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--embedder", choices=sorted(EMBEDDERS), default="wordllama")
    parser.add_argument("--out", type=Path, help="where to write the weights (default: nowhere)")
    arguments = parser.parse_args()
    console = Console()
    given = asyncio.run(examples([path.resolve() for path in arguments.directories], arguments.embedder, console))
    by_question = validated(given, fold_of(given))
    by_corpus = validated(given, lambda index: given[index].corpus)
    show(console, f"{FOLDS} folds, questions that share a passage in one", by_question)
    show(console, "each corpus left out of the training", by_corpus)
    if arguments.out:
        weights = dict(zip((*NAMES, WALK), (round(float(weight), 4) for weight in train(given)), strict=True))
        told = {
            "embedder": EMBEDDERS[arguments.embedder].name,
            "trained_on": {name: sum(one.set == name for one in given) for name in by_question},
        }
        arguments.out.write_text(json.dumps({"weights": weights, **told}, indent=2) + "\n")


if __name__ == "__main__":
    main()
