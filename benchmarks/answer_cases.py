"""What answers are measured on, and trained on: questions with the contexts that the real retrieval found for them.

A set of questions is a directory with `corpus.jsonl` ({id, title, text}) and `questions.jsonl` ({id, question, answer,
gold: [ids]}); `NAME_single` without a corpus asks that of `NAME_train` beside it. Each question is asked of its own
corpus; the gold passages are taken out of what was found, for a question that its corpus does not answer; and a
sample of it is asked of every other corpus, for one that is off its topic. Each corpus is measured as an ingest
measures it (`chatserver.ingest.calibration`).
"""

import json
import random
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from rich.console import Console
from rich.progress import track

from benchmarks.retrieval_base import ingest
from benchmarks.retrieval_corpora import corpus_of
from chatserver.ingest.calibration import SPARE, Asked, ask
from chatserver.models.port import Context, ModelRequest
from chatserver.pipeline.retrieve import FACTS
from chatserver.settings import Settings, Storage
from chatserver.wiring import open_knowledge
from retrieval.text import language
from retrieval.types import Query, RankedPassage

STRANGERS = 200
"""Questions of other corpora that are asked of each corpus, at most; the same in every run."""
SEED = 7


@dataclass(frozen=True, slots=True)
class Question:
    """`answer` is empty where the set has none; `gold` are ids of documents."""

    text: str
    answer: str
    gold: frozenset[str]


@dataclass(frozen=True, slots=True)
class Case:
    """A question, what was found for it, and how long that took."""

    question: Question
    context: Context
    ms: float = 0.0

    @property
    def request(self) -> ModelRequest:
        return ModelRequest(self.question.text, language(self.question.text), self.context, ())

    @property
    def has_gold(self) -> bool:
        return any(is_gold(self.question, ranked) for ranked in self.context.passages)


NOTHING = Asked({}, (), ())


@dataclass(frozen=True, slots=True)
class Cases:
    """`plain` and `removed` (without gold) are the set's questions, `off_topic` those of other corpora; `asked` is what
    the corpus is measured by."""

    corpus: str
    asked: Asked = NOTHING
    plain: list[Case] = field(default_factory=list)
    removed: list[Case] = field(default_factory=list)
    off_topic: list[Case] = field(default_factory=list)


Search: TypeAlias = Callable[[Question], Awaitable[tuple[Case, Case]]]


@dataclass(frozen=True, slots=True)
class Searched:
    """An ingested corpus: the way to ask it, and what it is measured by."""

    search: Search
    asked: Asked


def is_gold(question: Question, ranked: RankedPassage) -> bool:
    return ranked.passage.document in question.gold


def read_questions(directory: Path) -> list[Question]:
    with (directory / "questions.jsonl").open() as lines:
        rows = [json.loads(line) for line in lines]
    return [Question(row["question"], row.get("answer", ""), frozenset(row["gold"])) for row in rows]


async def gather(directories: Sequence[Path], console: Console) -> dict[str, Cases]:
    """The cases of each set, by its name."""
    sets = {directory: read_questions(directory) for directory in directories}
    gathered = {}
    for corpus in dict.fromkeys(corpus_of(directory) for directory in directories):
        others = [q for directory, questions in sets.items() if corpus_of(directory) != corpus for q in questions]
        strangers = random.Random(SEED).sample(others, min(STRANGERS, len(others)))
        async with searched(corpus, console) as base:
            search = base.search
            off_topic = [(await search(question))[0] for question in _tracked(strangers, "off-topic", console)]
            for directory, questions in sets.items():
                if corpus_of(directory) == corpus:
                    pairs = [await search(question) for question in _tracked(questions, directory.name, console)]
                    plain, removed = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
                    gathered[directory.name] = Cases(corpus.parent.name, base.asked, plain, removed, off_topic)
    return gathered


@asynccontextmanager
async def searched(corpus: Path, console: Console) -> AsyncIterator[Searched]:
    """The corpus, ingested into a temporary data directory and asked as the server asks: what is found for a
    question, and the same without its gold passages."""
    with tempfile.TemporaryDirectory() as data_dir:
        settings = Settings(storage=Storage(data_dir=Path(data_dir)))
        top_k = settings.retrieval.top_k
        async with open_knowledge(settings) as knowledge:
            await ingest(knowledge.ingestion, corpus, console)

            async def context(passages: Sequence[RankedPassage]) -> Context:
                facts = await knowledge.graph.facts([ranked.passage.id for ranked in passages], limit=FACTS)
                return Context(tuple(passages), tuple(facts))

            async def search(question: Question) -> tuple[Case, Case]:
                started = time.perf_counter()
                found = await knowledge.hybrid.search(Query(question.text, top_k=top_k + SPARE))
                plain = await context(found.passages[:top_k])
                ms = (time.perf_counter() - started) * 1_000
                rest = [ranked for ranked in found.passages if not is_gold(question, ranked)]
                return Case(question, plain, ms), Case(question, await context(rest[:top_k]))

            yield Searched(search, await ask(knowledge.hybrid.search, knowledge.documents, "", top_k))


def _tracked(questions: Sequence[Question], label: str, console: Console) -> Iterable[Question]:
    return track(questions, label, console=console, transient=True, disable=not console.is_terminal)
