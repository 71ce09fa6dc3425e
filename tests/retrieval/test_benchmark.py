import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.retrieval import run

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
    results = await run(corpora, "wordllama", Console(file=shown, width=100))
    assert list(results) == ["tiny_train", "tiny_single"]
    for result in results.values():
        assert list(result["methods"]) == METHODS
        for figures in result["methods"].values():
            assert set(figures) == {"recall", "all_gold_5", "latency_ms"}
            assert list(figures["recall"]) == ["1", "2", "5", "10"]
            assert 0 < figures["latency_ms"]["p50"] <= figures["latency_ms"]["p95"]
    methods = results["tiny_train"]["methods"]
    assert methods["expand"]["recall"] == {"1": 75.0, "2": 100.0, "5": 100.0, "10": 100.0}
    assert methods["expand"]["all_gold_5"] == 100.0
    assert results["tiny_single"]["methods"]["bm25"]["recall"]["1"] == 100.0
    assert "tiny_single: 32 passages, 1 questions" in shown.getvalue()
    json.dumps(results)
