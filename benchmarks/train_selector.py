"""Trains the selector of the extractive answers: `chatserver/models/selector.json` from questions with gold passages.

    python -m benchmarks.train_selector DIR… --out chatserver/models/selector.json

A DIR is as `benchmarks.answer_cases` says. Three logistic regressions (L2, Newton's method) over the features of the
real model on what the real retrieval found:

    support   sentences of gold passages that hold the answer or name another gold passage; in a gold passage without
              one, the sentence with most of the question's words, wanted sort and relations
    answer    sentences of gold passages that hold the expected answer; yes/no questions are left out
    covered   questions with a gold passage found, against the same without gold, and questions of other corpora

Each corpus weighs the same. Before the file is written, answers are measured on questions that their weights have not
seen: of each of five folds, and of each corpus that the others were trained without.
"""

import argparse
import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.answer_cases import Case, Cases, gather, is_gold
from benchmarks.answers import figures, judge, show
from chatserver.models.chains import padded, short_title
from chatserver.models.coverage import Evidence, evidence
from chatserver.models.extractive import ExtractiveModel, Sight, extract
from chatserver.models.features import Features
from chatserver.models.selection import judged
from chatserver.models.weights import Logistic, Weights, dump
from retrieval.embedders.wordllama import WordLlamaEmbedder

Array: TypeAlias = NDArray[np.float64]

NONE = Weights(Logistic(0.0, {}), Logistic(0.0, {}), Logistic(0.0, {}), 0.0, 0.0)
"""For a model that only looks."""
L2 = 2.0
STEPS = 30
FOLDS = 5
FALSE_REFUSALS = 0.02
FALSE_PARTLY = 0.08
"""Shares of the answered questions that are to be refused, and told to be covered in part, when the weights are set."""


@dataclass(frozen=True, slots=True)
class Example:
    """A case as the model sees it, and what each sentence should be taken for; `answers` is None for a question
    whose answer is not known, or yes or no."""

    case: Case
    sight: Sight
    rows: Array
    supports: Array
    answers: Array | None


@dataclass(frozen=True, slots=True)
class Examples:
    cases: Cases
    plain: list[Example]
    removed: list[Example]
    off_topic: list[Example]

    def without(self, fold: int) -> "Examples":
        """Those of the other folds; question n is in fold n mod `FOLDS`, whatever was found for it."""
        return Examples(self.cases, *([e for n, e in enumerate(kind) if n % FOLDS != fold] for kind in self.kinds))

    @property
    def kinds(self) -> tuple[list[Example], list[Example], list[Example]]:
        return self.plain, self.removed, self.off_topic


async def examples(model: ExtractiveModel, cases: Cases) -> Examples:
    kinds = (cases.plain, cases.removed, cases.off_topic)
    return Examples(cases, *[[example(case, await model.look(case.request)) for case in kind] for kind in kinds])


def example(case: Case, sight: Sight) -> Example:
    rows = matrix(sight.rows, Features)
    supports, answers = np.zeros(len(rows)), np.zeros(len(rows))
    texts = [padded(candidate.sentence.text) for candidate in sight.among]
    answer = padded(case.question.answer)
    titles = {
        n: padded(short_title(ranked.passage.title))
        for n, ranked in enumerate(case.context.passages)
        if is_gold(case.question, ranked)
    }
    for source in titles:
        own = [i for i, candidate in enumerate(sight.among) if candidate.source == source]
        holding = [i for i in own if answer.strip() and answer in texts[i]]
        leading = [i for i in own if any(t != titles[source] and t.strip() and t in texts[i] for t in titles.values())]
        answers[holding] = 1
        supports[holding + leading] = 1
        if own and not holding and not leading:
            likely = max(own, key=lambda i: plausible(sight.rows[i]))
            supports[likely] = 1
            answers[likely] = float(answer.strip() != "" and answer in titles[source])
    known = case.question.answer.lower() not in {"", "yes", "no"}
    return Example(case, sight, rows, supports, answers if known else None)


def plausible(row: Features) -> float:
    """Which sentence of a gold passage is the one, where nothing in it says so."""
    return row.sort + row.relation + (row.lexical + row.position) / 2


def matrix(rows: Iterable[Features | Evidence], kind: type[Features] | type[Evidence]) -> Array:
    names = [field.name for field in fields(kind)]
    return np.array([[getattr(row, name) for name in names] for row in rows]).reshape(-1, len(names))


def train(sets: Mapping[str, Examples]) -> Weights:
    shares = corpus_shares(sets)
    taught = [(e, shares[name]) for name, own in sets.items() for e in own.plain if e.supports.any()]
    told = [(e, e.answers, weight) for e, weight in taught if e.answers is not None and e.answers.any()]
    support = fit(Features, [e.rows for e, _ in taught], [e.supports for e, _ in taught], [w for _, w in taught])
    answer = fit(Features, [e.rows for e, _, _ in told], [a for _, a, _ in told], [w for _, _, w in told])
    weights = Weights(support, answer, Logistic(0.0, {}), 0.0, 0.0, tuple(sets))
    return with_refusal(weights, sets, shares)


def corpus_shares(sets: Mapping[str, Examples]) -> dict[str, float]:
    """The weight of each question, so that all corpora weigh the same."""
    sizes: dict[str, int] = {}
    for own in sets.values():
        sizes[own.cases.corpus] = sizes.get(own.cases.corpus, 0) + len(own.plain)
    mean = sum(sizes.values()) / len(sizes)
    return {name: mean / sizes[own.cases.corpus] for name, own in sets.items()}


def with_refusal(weights: Weights, sets: Mapping[str, Examples], shares: Mapping[str, float]) -> Weights:
    rows, targets, importance = [], [], []
    for name, own in sets.items():
        for examples, answered in ((own.plain, True), (own.removed, False), (own.off_topic, False)):
            used = [e for e in examples if not answered or e.case.has_gold]
            rows += [evidence(e.sight.covered, judged(e.sight.among, e.sight.rows, weights)) for e in used]
            targets += [float(answered)] * len(used)
            importance += [shares[name]] * len(used)
    covered = fit(Evidence, [matrix(rows, Evidence)], [np.array(targets)], importance, each_row=True)
    sure = [covered(row) for row, target in zip(rows, targets, strict=True) if target]
    refuse_below, partly_below = (float(np.quantile(sure, share)) for share in (FALSE_REFUSALS, FALSE_PARTLY))
    return Weights(weights.support, weights.answer, covered, refuse_below, partly_below, weights.trained_on)


def fit(
    kind: type[Features] | type[Evidence],
    rows: Sequence[Array],
    targets: Sequence[Array],
    importance: Sequence[float],
    *,
    each_row: bool = False,
) -> Logistic:
    """Logistic regression by Newton's method, the intercept not shrunk; `importance` is of each array of rows, or of
    each row of the only one."""
    x = np.concatenate(rows)
    x = np.hstack([x, np.ones((len(x), 1))])
    y = np.concatenate(targets)
    w = np.array(importance) if each_row else np.repeat(importance, [len(array) for array in rows])
    shrink = np.diag([L2] * (x.shape[1] - 1) + [0.0])
    beta = np.zeros(x.shape[1])
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-x @ beta))
        gradient = x.T @ (w * (p - y)) + shrink @ beta
        hessian = (x * (w * p * (1 - p))[:, None]).T @ x + shrink
        beta -= np.linalg.solve(hessian, gradient)
    names = [field.name for field in fields(kind)]
    return Logistic(float(beta[-1]), dict(zip(names, map(float, beta), strict=False)))


def of_folds(sets: Mapping[str, Examples]) -> dict[str, Any]:
    """Each question answered with weights from the other folds."""
    weights = [train({name: own.without(fold) for name, own in sets.items()}) for fold in range(FOLDS)]
    return {name: across(weights, own) for name, own in sets.items()}


def across(weights: Sequence[Weights], own: Examples) -> dict[str, Any]:
    judgements = [
        [judge(e.case, extract(e.case.request, e.sight, weights[n % FOLDS])) for n, e in enumerate(kind)]
        for kind in own.kinds
    ]
    return {"trained_on": False} | figures(own.cases, *judgements)


def of_corpora(sets: Mapping[str, Examples]) -> dict[str, Any]:
    """Each corpus answered with weights from the others."""
    results: dict[str, Any] = {}
    for corpus in dict.fromkeys(own.cases.corpus for own in sets.values()):
        weights = train({name: own for name, own in sets.items() if own.cases.corpus != corpus})
        results |= {name: across([weights] * FOLDS, own) for name, own in sets.items() if own.cases.corpus == corpus}
    return results


async def run(directories: Sequence[Path], console: Console) -> Weights:
    gathered = await gather(directories, console)
    embedder = WordLlamaEmbedder()
    try:
        model = ExtractiveModel(embedder, NONE)
        sets = {name: await examples(model, cases) for name, cases in gathered.items()}
    finally:
        await embedder.aclose()
    show(console, f"{FOLDS} folds: weights from the other folds", of_folds(sets))
    if len({own.cases.corpus for own in sets.values()}) > 1:
        show(console, "Weights from the other corpora", of_corpora(sets))
    return train(sets)


def main() -> None:
    parser = argparse.ArgumentParser(description="Trains the selector of the extractive answers.")
    parser.add_argument("directories", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE")
    arguments = parser.parse_args()
    directories = [directory.resolve() for directory in arguments.directories]
    weights = asyncio.run(run(directories, Console(width=140)))
    arguments.out.write_text(dump(weights), "utf-8")


if __name__ == "__main__":
    main()
