import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.train_selector import fit, run
from chatserver.models.coverage import Evidence
from chatserver.models.weights import dump, parse

TOWNS = ("Delft", "Gouda", "Hoorn", "Breda", "Zwolle", "Tiel")


def corpus(directory: Path, kind: str) -> Path:
    """Works of one kind, each by its own maker, who was born in a town of his own."""
    works = [
        {"id": f"w{n}", "title": f"{kind} {town}", "text": f"{kind} {town} is a work by Maker {kind}{n}."}
        for n, town in enumerate(TOWNS)
    ]
    makers = [
        {"id": f"m{n}", "title": f"Maker {kind}{n}", "text": f"Maker {kind}{n} was born in {town}. He liked tea."}
        for n, town in enumerate(TOWNS)
    ]
    questions = [
        {"question": f"Where was the maker of {kind} {town} born?", "answer": town, "gold": [f"w{n}", f"m{n}"]}
        for n, town in enumerate(TOWNS)
    ]
    directory.mkdir()
    write(directory / "corpus.jsonl", works + makers)
    write(directory / "questions.jsonl", questions)
    return directory


def write(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


async def test_training_gives_weights_and_figures_of_unseen_questions(tmp_path: Path) -> None:
    """Folds and left-out corpora are both told, and what is trained can be written and read."""
    shown = io.StringIO()
    directories = [corpus(tmp_path / "bells", "Bell"), corpus(tmp_path / "clocks", "Clock")]
    weights = await run(directories, Console(file=shown, width=160))
    assert "weights from the other folds" in shown.getvalue()
    assert "Weights from the other corpora" in shown.getvalue()
    assert weights.trained_on == ("bells", "clocks")
    assert parse(dump(weights)).trained_on == weights.trained_on
    assert weights.support.weights.keys() == weights.answer.weights.keys()


def test_a_logistic_model_finds_what_matters() -> None:
    """Of two features, the one that decides gets the weight; the fit is the same each time."""
    random = np.random.default_rng(5)
    rows = random.random((400, len(fields(Evidence))))
    targets = (rows[:, 1] > 0.5).astype(float)
    model = fit(Evidence, [rows], [targets], [1.0])
    weights = list(model.weights.values())
    assert weights[1] == max(weights) > 5 * max(abs(weight) for n, weight in enumerate(weights) if n != 1)
    assert model == fit(Evidence, [rows], [targets], [1.0])
