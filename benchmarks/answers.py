"""How good the answers without a language model are, over corpora of questions with gold passages.

    python -m benchmarks.answers DIR… [--weights FILE] --json OUT

A DIR is as `benchmarks.answer_cases` says. Corpora go through the real ingest, questions through the real retrieval
and the extractive model. Figures are in percent but for words, sentences, AUC and milliseconds. Where the weights were
trained on a set, its figures flatter: `benchmarks.train_selector` prints those of unseen questions.

    contained   answers whose words, headings and quotes, hold the expected answer; yes/no questions are left out
    precision   of an answer's cited passages, how many are gold, averaged over the questions that are answered
    recall      of the gold passages, how many are cited, averaged over all questions
    words       of an answer as it is shown, marks left out; sentences: how many of them are quoted
    partly      answered, but said to be covered in part
    refused     not answered: questions for which a gold passage was found (`false`), with the gold taken out of what
                was found (`removed`), asked of another corpus (`off_topic`)
    auc         how well the confidence tells a question as it is from the same with its gold taken out
    latency     of finding (`find`) and of making the answer from it (`answer`)
"""

import argparse
import asyncio
import json
import re
import statistics
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.answer_cases import Case, Cases, gather
from benchmarks.retrieval import percentiles
from chatserver.models.extractive import Extract, ExtractiveModel, Tier, extract
from chatserver.models.weights import Limits, Weights, parse, shipped
from retrieval.embedders.wordllama import WordLlamaEmbedder
from retrieval.text import words

_MARK = re.compile(r" ?\[(\d+)\]")
_YES_NO = frozenset({"yes", "no"})


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer against what is known of its question. `contained` and `precision` are None where they say nothing:
    for no expected answer, or yes or no; for nothing cited."""

    contained: bool | None
    precision: float | None
    recall: float
    words: int
    sentences: int
    confidence: float
    tier: Tier
    ms: float


def judge(case: Case, told: Extract, ms: float = 0.0) -> Judged:
    question, passages = case.question, case.context.passages
    cited = {passages[candidate.source].passage.document for candidate in told.chosen}
    expected = " ".join(words(question.answer))
    said = words(_MARK.sub("", told.text))
    return Judged(
        contained=f" {expected} " in f" {' '.join(said)} " if expected and expected not in _YES_NO else None,
        precision=len(cited & question.gold) / len(cited) if cited else None,
        recall=len(cited & question.gold) / len(question.gold),
        words=len(said),
        sentences=len(told.chosen),
        confidence=told.confidence,
        tier=told.tier,
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
        "auc": auc([one.confidence for one in plain], [one.confidence for one in removed]),
        "latency_ms": {
            "find": percentiles([case.ms for case in cases.plain]),
            "answer": percentiles([one.ms for one in plain]),
        },
    }


def percent(shares: Iterable[float | None]) -> float | None:
    """The mean of those that say something, in percent; None when none does."""
    known = [share for share in shares if share is not None]
    return round(100 * statistics.fmean(known), 1) if known else None


def mean(values: Sequence[float]) -> float | None:
    return round(statistics.fmean(values), 1) if values else None


def auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """The chance that a positive one is above a negative one, ties counted half (Mann-Whitney)."""
    above = sum((p > n) + (p == n) / 2 for p in positive for n in negative)
    return round(above / (len(positive) * len(negative)), 3)


def show(console: Console, title: str, results: Mapping[str, Mapping[str, Any]]) -> None:
    table = Table(title=title)
    headings = "contained precision recall words sentences partly false removed off-topic auc find answer"
    for heading in ("set", *headings.split()):
        table.add_column(heading, justify="left" if heading == "set" else "right")
    for name, result in results.items():
        shown = [result[key] for key in ("contained", "precision", "recall", "words", "sentences", "partly")]
        shown += [*result["refused"].values(), result["auc"]]
        shown += [latency["p50"] for latency in result["latency_ms"].values()]
        table.add_row(name + " *" * result["trained_on"], *("-" if value is None else str(value) for value in shown))
    console.print(table)


async def run(directories: Sequence[Path], console: Console, weights: Weights | None = None) -> dict[str, Any]:
    gathered = await gather(directories, console)
    weights = weights or shipped()
    embedder = WordLlamaEmbedder()
    try:
        model = ExtractiveModel(embedder, weights)
        results = {
            name: {"trained_on": name in weights.trained_on} | await measure(model, weights, cases)
            for name, cases in gathered.items()
        }
    finally:
        await embedder.aclose()
    show(console, "Extractive answers; * the weights have seen these questions", results)
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description="Extractive answers over corpora with gold passages.")
    parser.add_argument("directories", nargs="+", type=Path, metavar="DIR")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="in place of the shipped ones")
    parser.add_argument("--json", type=Path, required=True, metavar="OUT")
    arguments = parser.parse_args()
    weights = parse(arguments.weights.read_text("utf-8")) if arguments.weights else None
    directories = [directory.resolve() for directory in arguments.directories]
    results = asyncio.run(run(directories, Console(width=140), weights))
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
