"""The sample's questions, asked of the whole system: real files, real stores, default embedder, extractive model."""

import asyncio
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest

from chatserver.answers.document import fold
from chatserver.pipeline.port import Pipeline, Question
from chatserver.settings import Settings, Storage
from chatserver.wiring import open_knowledge, open_pipeline

EXAMPLES = Path(__file__).parents[2] / "examples"
QUESTIONS: list[dict[str, Any]] = [
    json.loads(line) for line in (EXAMPLES / "questions.jsonl").read_text("utf-8").splitlines()
]


@dataclass(frozen=True)
class Outcome:
    """What came of one question. `legs` has, for each document found, the legs' best ranks of its passages."""

    legs: dict[str, dict[str, int]]
    records: set[tuple[str, str]]
    text: str
    cited: set[str]


async def ask(pipeline: Pipeline, text: str) -> Outcome:
    question = Question(answer="a", chat="c", user="u", text=text, asked_at=datetime(2026, 3, 14, tzinfo=UTC))
    answer = fold([chunk async for chunk in pipeline.run(question)])
    assert answer.error is None
    legs: dict[str, dict[str, int]] = {}
    for passage in answer.data["retrieval"]["passages"]:
        ranks = legs.setdefault(document_of(passage["id"]), {})
        for leg, rank in re.findall(r"(\w+) #(\d+)", " ".join(passage["why"])):
            ranks[leg] = min(int(rank), ranks.get(leg, 1000))
    return Outcome(
        legs=legs,
        records={(record["collection"], record["id"]) for record in answer.data.get("records", ())},
        text=" ".join(answer.text.split()),
        cited={document_of(citation["sourceId"]) for citation in answer.citations},
    )


def document_of(passage: str) -> str:
    return passage.split("#")[0]


async def ask_all(data_dir: Path) -> dict[str, Outcome]:
    settings = Settings(storage=Storage(data_dir=data_dir))
    async with open_knowledge(settings) as knowledge, open_pipeline(settings, knowledge) as pipeline:
        return {question["id"]: await ask(pipeline, question["question"]) for question in QUESTIONS}


@pytest.fixture(scope="module")
def outcomes(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    return asyncio.run(ask_all(copytree(sample, tmp_path_factory.mktemp("questions") / "data")))


def asked(*legs: str, hops: range = range(2)) -> pytest.MarkDecorator:
    chosen = [question for question in QUESTIONS if question["leg"] in legs and question["hops"] in hops]
    assert chosen
    return pytest.mark.parametrize("question", chosen, ids=lambda question: question["id"])


@asked("vector", "keyword", "graph")
def test_a_question_finds_its_documents(question: dict[str, Any], outcomes: dict[str, Outcome]) -> None:
    """Every document that the answer rests on is among the passages that it is written from."""
    assert set(question["documents"]) <= set(outcomes[question["id"]].legs)


@asked("graph", hops=range(2, 9))
def test_a_chain_of_several_links_is_entered(question: dict[str, Any], outcomes: dict[str, Outcome]) -> None:
    """A question that needs more than one link from what it names finds at least where the chain begins."""
    assert question["documents"][0] in outcomes[question["id"]].legs


@asked("records")
def test_a_question_finds_its_records(question: dict[str, Any], outcomes: dict[str, Outcome]) -> None:
    """Rows are found by their collection, their order and the values that the question names, and are told."""
    outcome = outcomes[question["id"]]
    assert {(record["collection"], record["id"]) for record in question["records"]} <= outcome.records
    assert all(word in outcome.text for word in question["words"])


@asked("vector")
def test_some_questions_only_vectors_answer(question: dict[str, Any], outcomes: dict[str, Outcome]) -> None:
    """The text says it in other words: the vector leg has it in its first three, the keyword leg far behind."""
    ranks = outcomes[question["id"]].legs[question["documents"][0]]
    assert ranks["vector"] <= 3
    assert ranks.get("keyword", 100) > 5


def test_some_questions_only_keywords_answer(outcomes: dict[str, Outcome]) -> None:
    """A trade name means nothing to the embedder: only its letters find it."""
    (ranks,) = [
        outcomes[q["id"]].legs["maintenance.md"] for q in QUESTIONS if q["question"] == "Where is Frigol 68 used?"
    ]
    assert ranks["keyword"] == 1
    assert ranks["vector"] > 8


def test_some_documents_only_the_graph_finds(outcomes: dict[str, Outcome]) -> None:
    """Procedures that no other leg has among its first eight come in over the link from the failure mode."""
    linked = 0
    for question in QUESTIONS:
        if question["leg"] == "graph" and question["hops"] == 1:
            legs = outcomes[question["id"]].legs
            others = [legs[document] for document in question["documents"]]
            linked += any(min(ranks.get("vector", 100), ranks.get("keyword", 100)) > 8 for ranks in others)
    assert linked >= 3


@asked("keyword", "graph")
def test_an_answer_cites_what_it_rests_on(question: dict[str, Any], outcomes: dict[str, Outcome]) -> None:
    """At least one of the documents that hold the answer is quoted."""
    assert set(question["documents"]) & outcomes[question["id"]].cited


def test_most_extracts_hold_the_answer(outcomes: dict[str, Outcome]) -> None:
    """Without a model, two of three answers to questions in the handbook's words hold what was asked for."""
    chosen = [q for q in QUESTIONS if q["leg"] in {"keyword", "graph"} and q["hops"] < 2]
    told = [q["id"] for q in chosen if all(word in outcomes[q["id"]].text for word in q["words"])]
    assert len(told) >= len(chosen) * 2 / 3, told


@asked("none")
def test_what_is_not_covered_is_refused(question: dict[str, Any], outcomes: dict[str, Outcome]) -> None:
    """What the handbook knows nothing of is answered without a quote."""
    assert outcomes[question["id"]].cited == set()


def test_the_state_of_the_machine_mixes_records_and_handbook(outcomes: dict[str, Outcome]) -> None:
    """In Dutch: the newest event, the failing snapshots, and what the handbook says of what they name; each cited."""
    (question,) = [
        question for question in QUESTIONS if question["question"] == "Wat is de huidige status van de machine?"
    ]
    outcome = outcomes[question["id"]]
    assert outcome.text.startswith("Gevonden in de gegevens:")
    assert {"FM-02", "CT-401", "record:TelemetryEvent/TE-065", "record:WorldStateSnapshot/WS-030"} <= outcome.cited
    assert set(question["documents"]) <= set(outcome.legs)
