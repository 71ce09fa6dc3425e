import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.answers import auc, run

PUMPS = [
    {"id": "p1", "title": "Pump P-101", "text": "Pump P-101 circulates the coolant. It is driven by Motor M-5."},
    {"id": "p2", "title": "Motor M-5", "text": "Motor M-5 is a machine of 5 kW that was wound in Delft."},
    *({"id": f"x{i}", "title": f"Valve V-{i}", "text": f"Valve V-{i} regulates branch {i}."} for i in range(20)),
]
BIRDS = [
    {"id": "b1", "title": "Godwit", "text": "The godwit is a bird of wet meadows. It winters in Senegal."},
    *({"id": f"y{i}", "title": f"Island {i}", "text": f"On island {i} nest {i} terns."} for i in range(20)),
]
WOUND = {"question": "Where was Motor M-5 wound?", "answer": "Delft", "gold": ["p2"]}
WINTERS = {"question": "Where does the godwit winter?", "answer": "Senegal", "gold": ["b1"]}


def corpus(directory: Path, rows: Sequence[Mapping[str, object]], questions: Sequence[Mapping[str, object]]) -> Path:
    directory.mkdir()
    for name, lines in (("corpus.jsonl", rows), ("questions.jsonl", questions)):
        (directory / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return directory


async def test_answers_are_measured_in_the_agreed_form(tmp_path: Path) -> None:
    """What is answered, cited and refused is told for each set, a foreign question being off its topic."""
    shown = io.StringIO()
    pumps = corpus(tmp_path / "pumps", PUMPS, [WOUND])
    birds = corpus(tmp_path / "birds", BIRDS, [WINTERS])
    results = await run([pumps, birds], Console(file=shown, width=150))
    assert list(results) == ["pumps", "birds"]
    for result in results.values():
        assert result["contained"] == result["recall"] == 100.0
        assert result["precision"] > 0
        assert result["refused"] | {"removed": None} == {"false": 0.0, "removed": None, "off_topic": 100.0}
        assert 0.5 < result["auc"] <= 1.0
        assert result["most"]["sentences"] <= 5
        assert result["most"]["words"] <= 120
        assert all(0 < times["p50"] <= times["p95"] for times in result["latency_ms"].values())
    assert "Extractive answers" in shown.getvalue()
    json.dumps(results)


@pytest.mark.parametrize(
    ("positive", "negative", "share"), [([1, 2], [0], 1.0), ([1, 3], [2, 2], 0.5), ([1], [1], 0.5)]
)
def test_auc_is_the_chance_of_the_right_order(
    positive: Sequence[float], negative: Sequence[float], share: float
) -> None:
    """Ties count half."""
    assert auc(positive, negative) == share
