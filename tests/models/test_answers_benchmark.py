import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks.answers import auc, curve, run
from benchmarks.answers_plot import draw
from chatserver.models.openai_compatible import OpenAICompatibleModel
from tests.models.openai_server import event, openai_server, streaming

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
    """What is answered, cited and refused is told for each set, a foreign question being off its topic, as a table, in
    JSON and as a picture."""
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
    draw(json.loads(json.dumps(results)), tmp_path / "answers.png")
    assert (tmp_path / "answers.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("positive", "negative", "share"), [([1, 2], [0], 1.0), ([1, 3], [2, 2], 0.5), ([1], [1], 0.5)]
)
def test_auc_is_the_chance_of_the_right_order(
    positive: Sequence[float], negative: Sequence[float], share: float
) -> None:
    """Ties count half."""
    assert auc(positive, negative) == share


async def test_a_configured_model_is_measured_by_the_same_table(tmp_path: Path) -> None:
    """Its citations are counted, what its sources do not carry too, and an answer without a citation is a refusal."""
    text = "Motor M-5 was wound in Delft [1][2][3]. Nineteen zebras painted its purple lid [1]."
    shown = io.StringIO()
    pumps = corpus(tmp_path / "pumps", PUMPS, [WOUND])
    birds = corpus(tmp_path / "birds", BIRDS, [WINTERS])
    async with openai_server() as server:
        server.answer = streaming(event({"content": text}), event({}, finish="stop"), "data: [DONE]\n\n")
        model = OpenAICompatibleModel("m", base_url=server.url)
        try:
            results = await run([pumps, birds], Console(file=shown, width=170), model=model)
        finally:
            await model.aclose()
        assert "where was motor" in server.asked[0][0]["messages"][-1]["content"].lower()
    assert results["pumps"]["contained"] == results["pumps"]["recall"] == 100.0
    assert results["birds"]["contained"] == 0.0
    assert results["pumps"]["unsupported"] == 50.0
    assert results["pumps"]["auc"] is None
    assert results["birds"]["refused"]["off_topic"] == 0.0
    assert "Answers of m" in shown.getvalue()


@pytest.mark.parametrize(("others", "refused"), [([0.0, 0.1], 100.0), ([0.2, 0.9], 50.0), ([0.9], 0.0)])
def test_a_curve_tells_what_a_share_of_false_refusals_buys(others: Sequence[float], refused: float) -> None:
    """The first point refuses no answered question."""
    assert curve([0.5, 0.6, 0.7], others)[0] == (0, refused)
    assert curve([], others) == curve([0.5], []) == []
