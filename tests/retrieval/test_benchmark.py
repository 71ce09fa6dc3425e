import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks.retrieval import run
from benchmarks.retrieval_corpora import corpora as corpora_in
from benchmarks.retrieval_corpora import grown, merged
from benchmarks.retrieval_plot import draw
from tests.contracts.neo4j_server import require_neo4j

CORPUS = [
    {"id": "p1", "title": "Pump P-101", "text": "Pump P-101 circulates the coolant. It is driven by Motor M-5."},
    {"id": "p2", "title": "Motor M-5", "text": "A three-phase machine of 5 kW, wound in Delft."},
    *({"id": f"x{i}", "title": f"Valve V-{i}", "text": f"Valve V-{i} regulates branch {i}."} for i in range(30)),
]
QUESTIONS = [
    {"id": "q1", "question": "Where was the motor of Pump P-101 wound?", "gold": ["p1", "p2"]},
    {"id": "q2", "question": "Which branch does Valve V-7 regulate?", "gold": ["x7"]},
]


METHODS = ["bm25", "dense", "rrf", "base, no graph", "ranker, no graph", "expand", "ranker"]


def lines(rows: Sequence[Mapping[str, object]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def recalls(results: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Mapping[str, float]]]:
    """By set and method."""
    return {
        name: {method: figures["recall"] for method, figures in result["methods"].items()}
        for name, result in results.items()
    }


@pytest.fixture
def corpora(tmp_path: Path) -> list[Path]:
    """A corpus with its questions, and a set of questions that asks the same corpus."""
    train, single = tmp_path / "tiny_train", tmp_path / "tiny_single"
    train.mkdir()
    single.mkdir()
    (train / "corpus.jsonl").write_text(lines(CORPUS))
    (train / "questions.jsonl").write_text(lines(QUESTIONS))
    (single / "questions.jsonl").write_text(lines(QUESTIONS[1:]))
    return [train, single]


async def test_each_method_is_measured_in_the_agreed_form(corpora: list[Path]) -> None:
    """Every set has recalls in percent and latencies for every method; what follows links finds the linked passage."""
    shown = io.StringIO()
    results = await run(corpora_in(corpora), "wordllama", Console(file=shown, width=100))
    assert list(results) == ["tiny_train", "tiny_single"]
    for result in results.values():
        assert list(result["methods"]) == METHODS
        for figures in result["methods"].values():
            assert set(figures) == {"recall", "all_gold_5", "latency_ms", "cpu_ms"}
            assert list(figures["recall"]) == ["1", "2", "5", "10"]
            assert 0 < figures["latency_ms"]["p50"] <= figures["latency_ms"]["p95"]
    methods = results["tiny_train"]["methods"]
    assert methods["expand"]["recall"] == {"1": 75.0, "2": 100.0, "5": 100.0, "10": 100.0}
    assert methods["expand"]["all_gold_5"] == 100.0
    assert results["tiny_single"]["methods"]["bm25"]["recall"]["1"] == 100.0
    assert "tiny_single: 32 passages, 1 questions" in shown.getvalue()
    json.dumps(results)


async def test_pinecone_and_neo4j_find_the_same(corpora: list[Path]) -> None:
    """On a corpus this small to the last digit, by every method."""
    require_neo4j()
    given, quiet = corpora_in(corpora), Console(quiet=True)
    embedded = await run(given, "wordllama", quiet)
    there = await run(given, "wordllama", quiet, store="pinecone+neo4j")
    assert {name: result["store"] for name, result in there.items()} == dict.fromkeys(embedded, "pinecone+neo4j")
    assert recalls(there) == recalls(embedded)


async def test_sets_that_the_weights_are_trained_on_are_ranked_by_folds(tmp_path: Path) -> None:
    """The figures tell which; any other set is ranked by the shipped weights."""
    rows = {"hotpot_train": QUESTIONS, "tiny": QUESTIONS[1:]}
    for name, questions in rows.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "corpus.jsonl").write_text(lines(CORPUS))
        (tmp_path / name / "questions.jsonl").write_text(lines(questions))
    results = await run(corpora_in([tmp_path / name for name in rows]), "wordllama", Console(quiet=True))
    assert results["hotpot_train"]["weights"] == "five folds over the given sets"
    assert results["tiny"]["weights"] == "shipped"


async def test_merged_corpora_are_one_base(tmp_path: Path, corpora: list[Path]) -> None:
    """Equal ids of two corpora stay two documents, and each set finds its own."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "corpus.jsonl").write_text(lines([{"id": "p1", "title": "Harbour", "text": "Ships lie in the harbour."}]))
    (other / "questions.jsonl").write_text(lines([{"question": "Where do ships lie?", "gold": ["p1"]}]))
    joined = merged(corpora_in([*corpora, other]), tmp_path / "merged.jsonl")
    results = await run([joined], "wordllama", Console(quiet=True))
    assert list(results) == ["merged/tiny_train", "merged/tiny_single", "merged/other"]
    assert {result["passages"] for result in results.values()} == {len(CORPUS) + 1}
    assert results["merged/other"]["methods"]["bm25"]["recall"]["1"] == 100.0
    assert results["merged/tiny_single"]["methods"]["bm25"]["recall"]["1"] == 100.0


def test_a_corpus_grows_by_copies_in_other_names(tmp_path: Path, corpora: list[Path]) -> None:
    """The original stays first; a copy's names are others, the same in title and text, and its words are the same."""
    (original, *_) = corpora_in(corpora)
    copied = grown(original, 60, tmp_path / "grown.jsonl")
    rows = [json.loads(line) for line in copied.file.read_text().splitlines()]
    assert rows[: len(CORPUS)] == CORPUS
    assert len({row["id"] for row in rows}) == len(rows) == 60
    pump = rows[len(CORPUS)]
    assert pump["title"] != CORPUS[0]["title"]
    assert pump["text"].startswith(pump["title"])
    assert pump["text"].split()[2:5] == ["circulates", "the", "coolant."]
    assert grown(original, 60, tmp_path / "again.jsonl").file.read_text() == copied.file.read_text()


def test_figures_become_a_picture(tmp_path: Path) -> None:
    """Recall by method, and latency by size; either alone will do."""
    figures = {"recall": {"5": 50.0}}
    sets = {"tiny": {"methods": dict.fromkeys(METHODS, figures)}}
    times = {"latency_ms": {"p50": 1.0, "p95": 2.0}, "cpu_ms": {"p50": 1.0, "p95": 2.0}}
    growth = {"growth": [{"passages": size, **times} for size in (10, 100)]}
    kinds: Mapping[str, Mapping[str, object]] = {"both": {**sets, **growth}, "sets": sets, "growth": growth}
    for name, given in kinds.items():
        draw(given, tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
