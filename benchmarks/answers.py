"""How good answers are, over corpora of questions with gold passages.

    python -m benchmarks.answers DIR… [--weights FILE | --model] --json OUT [--png OUT]

A DIR is as `benchmarks.answer_cases` says. Corpora go through the real ingest, questions through the real retrieval
and the extractive model; with `--model` through the real prompt and the configured language model (`OPENAI_BASE_URL`
and its like), whose answer counts as refused when it cites nothing. Figures are in percent but for words, sentences,
AUC and milliseconds. Where the weights were trained on a set, its figures flatter: `benchmarks.train_selector` prints
those of unseen questions.

    contained   answers whose words, headings and quotes, hold the expected answer; yes/no questions are left out
    precision   of an answer's cited passages, how many are gold, averaged over the questions that are answered
    recall      of the gold passages, how many are cited, averaged over all questions
    words       of an answer as it is shown, marks left out; sentences: how many of them are quoted
    partly      answered, but said to be covered in part
    refused     not answered: questions for which a gold passage was found (`false`), with the gold taken out of what
                was found (`removed`), asked of another corpus (`off_topic`)
    auc         how well the confidence tells a question as it is from the same with its gold taken out
    unsupported of a model's statements, those that the sources they cite do not carry (`chatserver.pipeline.grounding`)
    latency     of finding (`find`) and of making the answer from it (`answer`)
"""

import argparse
import asyncio
import json
import re
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.answer_cases import Case, Cases, gather
from benchmarks.answers_model import Told, configured
from benchmarks.retrieval import percentiles
from chatserver.models.extractive import Extract, ExtractiveModel, Tier, extract
from chatserver.models.port import Model
from chatserver.models.weights import Limits, Weights, parse, shipped
from chatserver.settings import load_settings
from retrieval.embedders.wordllama import WordLlamaEmbedder
from retrieval.text import words

_MARK = re.compile(r" ?\[(\d+)\]")
_YES_NO = frozenset({"yes", "no"})
SHARES = (0, 1, 2, 3, 5, 8, 10, 15, 20)
"""Percent of the answered questions, for `curve`."""


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer against what is known of its question. `contained` and `precision` are None where they say nothing:
    for no expected answer, or yes or no; for nothing cited. `confidence` and `on_topic` are the extractive model's,
    `statements` and those of them that are `unsupported` are counted of a language model's."""

    contained: bool | None
    precision: float | None
    recall: float
    words: int
    sentences: int
    tier: Tier
    ms: float
    confidence: float | None = None
    on_topic: float | None = None
    statements: int = 0
    unsupported: int = 0


def judge(case: Case, told: Extract, ms: float = 0.0) -> Judged:
    passages = case.context.passages
    cited = {passages[source].passage.document for source in told.cited}
    judged = judge_text(case, told.text, cited, len(told.chosen), told.tier, ms)
    return replace(judged, confidence=told.confidence, on_topic=told.on_topic)


def judge_text(case: Case, text: str, cited: Set[str], sentences: int, tier: Tier, ms: float) -> Judged:
    """`cited` are ids of documents."""
    question = case.question
    expected = " ".join(words(question.answer))
    said = words(_MARK.sub("", text))
    return Judged(
        contained=f" {expected} " in f" {' '.join(said)} " if expected and expected not in _YES_NO else None,
        precision=len(cited & question.gold) / len(cited) if cited else None,
        recall=len(cited & question.gold) / len(question.gold),
        words=len(said),
        sentences=sentences,
        tier=tier,
        ms=ms,
    )


async def answers(model: ExtractiveModel, weights: Weights, limits: Limits, cases: Sequence[Case]) -> list[Judged]:
    judged = []
    for case in cases:
        started = time.perf_counter()
        told = extract(case.request, await model.look(case.request), weights, limits)
        judged.append(judge(case, told, (time.perf_counter() - started) * 1_000))
    return judged


async def measure(model: ExtractiveModel, weights: Weights, cases: Cases) -> dict[str, Any]:
    """With the limits that an ingest of the corpus measures."""
    limits = await cases.asked.limits(model.extract, weights.limits)
    judged = [await answers(model, weights, limits, kind) for kind in (cases.plain, cases.removed, cases.off_topic)]
    return figures(cases, *judged) | {"limits": asdict(limits)}


def figures(
    cases: Cases, plain: Sequence[Judged], removed: Sequence[Judged], off_topic: Sequence[Judged]
) -> dict[str, Any]:
    had_gold = [one for one, case in zip(plain, cases.plain, strict=True) if case.has_gold]
    return {
        "corpus": cases.corpus,
        "questions": len(plain),
        "contained": percent(one.contained for one in plain),
        "precision": percent(one.precision for one in plain),
        "recall": percent(one.recall for one in plain),
        "words": mean([one.words for one in plain if one.tier != "not_covered"]),
        "sentences": mean([one.sentences for one in plain if one.tier != "not_covered"]),
        "most": {"words": max(one.words for one in plain), "sentences": max(one.sentences for one in plain)},
        "partly": percent(one.tier == "partly" for one in plain),
        "refused": {
            "false": percent(one.tier == "not_covered" for one in had_gold),
            "removed": percent(one.tier == "not_covered" for one in removed),
            "off_topic": percent(one.tier == "not_covered" for one in off_topic),
        },
        "auc": auc(confidences(plain), confidences(removed)),
        "curves": {
            "removed": curve(confidences(had_gold), confidences(removed)),
            "off_topic": curve(topics(had_gold), topics(off_topic)),
        },
        "unsupported": unsupported(plain),
        "latency_ms": {
            "find": percentiles([case.ms for case in cases.plain]),
            "answer": percentiles([one.ms for one in plain]),
        },
    }


def confidences(judged: Iterable[Judged]) -> list[float]:
    return [one.confidence for one in judged if one.confidence is not None]


def topics(judged: Iterable[Judged]) -> list[float]:
    return [one.on_topic for one in judged if one.on_topic is not None]


def unsupported(judged: Sequence[Judged]) -> float | None:
    statements = sum(one.statements for one in judged)
    return round(100 * sum(one.unsupported for one in judged) / statements, 1) if statements else None


def percent(shares: Iterable[float | None]) -> float | None:
    """The mean of those that say something, in percent; None when none does."""
    known = [share for share in shares if share is not None]
    return round(100 * statistics.fmean(known), 1) if known else None


def mean(values: Sequence[float]) -> float | None:
    return round(statistics.fmean(values), 1) if values else None


def curve(answered: Sequence[float], others: Sequence[float]) -> list[tuple[float, float]]:
    """For each limit that refuses so many percent of the answered questions, how many percent of the others it does."""
    ordered = sorted(answered)
    limits = {
        share: ordered[min(share * len(ordered) // 100, len(ordered) - 1)] for share in SHARES if ordered and others
    }
    return [(share, percent(one < limit for one in others) or 0.0) for share, limit in limits.items()]


def auc(positive: Sequence[float], negative: Sequence[float]) -> float | None:
    """The chance that a positive one is above a negative one, ties counted half (Mann-Whitney); None without both."""
    if not positive or not negative:
        return None
    above = sum((p > n) + (p == n) / 2 for p in positive for n in negative)
    return round(above / (len(positive) * len(negative)), 3)


def show(console: Console, title: str, results: Mapping[str, Mapping[str, Any]]) -> None:
    table = Table(title=title)
    headings = "contained precision recall words sentences partly false removed off-topic auc unsupported find answer"
    for heading in ("set", *headings.split()):
        table.add_column(heading, justify="left" if heading == "set" else "right")
    for name, result in results.items():
        shown = [result[key] for key in ("contained", "precision", "recall", "words", "sentences", "partly")]
        shown += [*result["refused"].values(), result["auc"], result["unsupported"]]
        shown += [latency["p50"] for latency in result["latency_ms"].values()]
        table.add_row(name + " *" * result["trained_on"], *("-" if value is None else str(value) for value in shown))
    console.print(table)


async def run(
    directories: Sequence[Path], console: Console, weights: Weights | None = None, *, model: Model | None = None
) -> dict[str, Any]:
    """With a language model its answers, else those of the extractive model."""
    gathered = await gather(directories, console)
    embedder = WordLlamaEmbedder()
    try:
        if model is not None:
            told = Told(model, embedder)
            results = {name: {"trained_on": False} | await with_model(told, cases) for name, cases in gathered.items()}
            show(console, f"Answers of {model.name}", results)
            return results
        weights = weights or shipped()
        extractive = ExtractiveModel(embedder, weights)
        results = {
            name: {"trained_on": name in weights.trained_on} | await measure(extractive, weights, cases)
            for name, cases in gathered.items()
        }
    finally:
        await embedder.aclose()
    show(console, "Extractive answers; * the weights have seen these questions", results)
    return results


async def with_model(told: Told, cases: Cases) -> dict[str, Any]:
    return figures(cases, *[await _of_model(told, kind) for kind in (cases.plain, cases.removed, cases.off_topic)])


async def _of_model(told: Told, cases: Sequence[Case]) -> list[Judged]:
    judged = []
    for case in cases:
        started = time.perf_counter()
        said = await told.answer(case)
        ms = (time.perf_counter() - started) * 1_000
        one = judge_text(case, said.text, said.cited, said.statements, "covered" if said.cited else "not_covered", ms)
        judged.append(replace(one, statements=said.statements, unsupported=said.unsupported))
    return judged


def main() -> None:
    parser = argparse.ArgumentParser(description="How good answers are, over corpora with gold passages.")
    parser.add_argument("directories", nargs="+", type=Path, metavar="DIR")
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument("--weights", type=Path, metavar="FILE", help="in place of the shipped ones")
    asked.add_argument("--model", action="store_true", help="ask the configured language model")
    parser.add_argument("--json", type=Path, required=True, metavar="OUT")
    parser.add_argument("--png", type=Path, metavar="OUT", help="a picture of the figures (extra `bench`)")
    arguments = parser.parse_args()
    weights = parse(arguments.weights.read_text("utf-8")) if arguments.weights else None
    directories = [directory.resolve() for directory in arguments.directories]
    model = configured(load_settings()) if arguments.model else None
    results = asyncio.run(run(directories, Console(width=160), weights, model=model))
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(results, indent=2) + "\n")
    if arguments.png:
        from benchmarks.answers_plot import draw

        draw(results, arguments.png)


if __name__ == "__main__":
    main()
