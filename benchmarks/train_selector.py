"""Trains the selector of the extractive answers: `chatserver/models/selector.json` from questions with gold passages.

    python -m benchmarks.train_selector DIR… --out chatserver/models/selector.json

A DIR is as `benchmarks.answer_cases` says. Four logistic regressions (L2, Newton's method) over the features of the
real model on what the real retrieval found:

    support   sentences of gold passages that hold the answer or name another gold passage; in a gold passage without
              one, the sentence with most of the question's words, wanted sort and relations
    answer    sentences of gold passages that hold the expected answer; yes/no questions are left out
    on_topic  questions with a gold passage found, against questions of other corpora
    covered   the same, against those and the same questions without gold

Each corpus weighs the same. Before the file is written, answers are measured on questions that their weights have not
seen: of each of five folds, and of each corpus that the others were trained without.
"""

import argparse
import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.answer_cases import Case, Cases, gather, is_gold
from benchmarks.answers import figures, judge, show
from chatserver.models.chains import padded, short_title
from chatserver.models.coverage import Evidence, evidence
from chatserver.models.extractive import Extract, ExtractiveModel, Sight, extract
from chatserver.models.features import Features
from chatserver.models.port import ModelRequest
from chatserver.models.selection import judged
from chatserver.models.weights import Limits, Logistic, Weights, dump
from retrieval.embedders.wordllama import WordLlamaEmbedder

Array: TypeAlias = NDArray[np.float64]

_ZERO = Logistic(0.0, {})
NONE = Weights(_ZERO, _ZERO, _ZERO, _ZERO, Limits(0.0, 0.0))
"""For a model that only looks."""
Told: TypeAlias = list[tuple[Evidence, float]]
"""What was seen of questions, and what each weighs."""

L2 = 2.0
L2_TOLD = 0.5
STEPS = 30
FOLDS = 5
REFUSED = 0.96
"""Share of the off-topic questions that are to be refused in the corpus where they are told apart worst, when the
weights are set."""
FALSE_PARTLY = 0.08
"""Share of the answered questions that are below the limit under which they may be told to be covered in part."""


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
    """`asked` is what is seen of each request that the corpus is measured by."""

    cases: Cases
    asked: Mapping[int, Sight]
    plain: list[Example]
    removed: list[Example]
    off_topic: list[Example]

    def without(self, fold: int) -> "Examples":
        """Those of the other folds; question n is in fold n mod `FOLDS`, whatever was found for it."""
        return Examples(
            self.cases, self.asked, *([e for n, e in enumerate(kind) if n % FOLDS != fold] for kind in self.kinds)
        )

    @property
    def kinds(self) -> tuple[list[Example], list[Example], list[Example]]:
        return self.plain, self.removed, self.off_topic


async def examples(model: ExtractiveModel, cases: Cases) -> Examples:
    kinds = (cases.plain, cases.removed, cases.off_topic)
    asked = (*chain.from_iterable(cases.asked.foreign.values()), *cases.asked.own, *cases.asked.without)
    sights = {id(request): await model.look(request) for request in asked}
    return Examples(
        cases, sights, *[[example(case, await model.look(case.request)) for case in kind] for kind in kinds]
    )


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
    return with_tiers(replace(NONE, support=support, answer=answer, trained_on=tuple(sets)), sets, shares)


def corpus_shares(sets: Mapping[str, Examples]) -> dict[str, float]:
    """The weight of each question, so that all corpora weigh the same."""
    sizes: dict[str, int] = {}
    for own in sets.values():
        sizes[own.cases.corpus] = sizes.get(own.cases.corpus, 0) + len(own.plain)
    mean = sum(sizes.values()) / len(sizes)
    return {name: mean / sizes[own.cases.corpus] for name, own in sets.items()}


def with_tiers(weights: Weights, sets: Mapping[str, Examples], shares: Mapping[str, float]) -> Weights:
    """The models of a whole context need those of its sentences."""
    plain = [_told(weights, [e for e in own.plain if e.case.has_gold], shares[name]) for name, own in sets.items()]
    removed = [_told(weights, own.removed, shares[name]) for name, own in sets.items()]
    strangers = [_told(weights, own.off_topic, shares[name]) for name, own in sets.items()]
    on_topic = _fit_told(plain, strangers)
    covered = _fit_told(plain, removed + strangers)
    limits = Limits(
        refuse_below=max(_quantile(on_topic, told, REFUSED) for told in strangers if told),
        partly_below=_quantile(covered, list(chain.from_iterable(plain)), FALSE_PARTLY),
    )
    return replace(weights, on_topic=on_topic, covered=covered, limits=limits)


def _told(weights: Weights, examples: Sequence[Example], share: float) -> Told:
    return [
        (evidence(e.sight.covered, judged(e.sight.among, e.sight.rows, weights), e.sight.meaning), share)
        for e in examples
    ]


def _fit_told(positive: Iterable[Told], negative: Iterable[Told]) -> Logistic:
    rows = [(*row, target) for target, kinds in ((1.0, positive), (0.0, negative)) for told in kinds for row in told]
    targets, importance = np.array([target for *_, target in rows]), [weight for _, weight, _ in rows]
    return fit(
        Evidence, [matrix((row for row, *_ in rows), Evidence)], [targets], importance, l2=L2_TOLD, each_row=True
    )


def _quantile(model: Logistic, told: Told, share: float) -> float:
    return float(np.quantile([model(row) for row, _ in told], share))


def fit(
    kind: type[Features] | type[Evidence],
    rows: Sequence[Array],
    targets: Sequence[Array],
    importance: Sequence[float],
    *,
    l2: float = L2,
    each_row: bool = False,
) -> Logistic:
    """Logistic regression by Newton's method, the intercept not shrunk; `importance` is of each array of rows, or of
    each row of the only one."""
    x = np.concatenate(rows)
    x = np.hstack([x, np.ones((len(x), 1))])
    y = np.concatenate(targets)
    w = np.array(importance) if each_row else np.repeat(importance, [len(array) for array in rows])
    shrink = np.diag([l2] * (x.shape[1] - 1) + [0.0])
    beta = np.zeros(x.shape[1])
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-x @ beta))
        gradient = x.T @ (w * (p - y)) + shrink @ beta
        hessian = (x * (w * p * (1 - p))[:, None]).T @ x + shrink
        beta -= np.linalg.solve(hessian, gradient)
    names = [field.name for field in fields(kind)]
    return Logistic(float(beta[-1]), dict(zip(names, map(float, beta), strict=False)))


async def of_folds(sets: Mapping[str, Examples]) -> dict[str, Any]:
    """Each question answered with weights from the other folds."""
    weights = [train({name: own.without(fold) for name, own in sets.items()}) for fold in range(FOLDS)]
    return {name: await across(weights, own) for name, own in sets.items()}


async def across(weights: Sequence[Weights], own: Examples) -> dict[str, Any]:
    limits = [await measured(one, own) for one in weights]
    judgements = [
        [
            judge(e.case, extract(e.case.request, e.sight, weights[n % FOLDS], limits[n % FOLDS]))
            for n, e in enumerate(kind)
        ]
        for kind in own.kinds
    ]
    return {"trained_on": False} | figures(own.cases, *judgements)


async def measured(weights: Weights, own: Examples) -> Limits:
    """The limits that an ingest of this corpus would measure with these weights."""

    async def judge_asked(request: ModelRequest) -> Extract:
        return extract(request, own.asked[id(request)], weights, weights.limits)

    return await own.cases.asked.limits(judge_asked, weights.limits)


async def of_corpora(sets: Mapping[str, Examples]) -> dict[str, Any]:
    """Each corpus answered with weights from the others."""
    results: dict[str, Any] = {}
    for corpus in dict.fromkeys(own.cases.corpus for own in sets.values()):
        weights = train({name: own for name, own in sets.items() if own.cases.corpus != corpus})
        results |= {
            name: await across([weights] * FOLDS, own) for name, own in sets.items() if own.cases.corpus == corpus
        }
    return results


async def run(directories: Sequence[Path], console: Console) -> Weights:
    gathered = await gather(directories, console)
    embedder = WordLlamaEmbedder()
    try:
        model = ExtractiveModel(embedder, NONE)
        sets = {name: await examples(model, cases) for name, cases in gathered.items()}
    finally:
        await embedder.aclose()
    show(console, f"{FOLDS} folds: weights from the other folds", await of_folds(sets))
    if len({own.cases.corpus for own in sets.values()}) > 1:
        show(console, "Weights from the other corpora", await of_corpora(sets))
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
