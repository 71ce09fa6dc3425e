"""Questions and corpora that nobody plans for, through the whole of retrieval: legs, graph, links and ranker."""

import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from chatserver.ingest.ingestion import Ingestion
from chatserver.ingest.library import SteppedLibrary
from graph.embedded.records import SqliteRecordStore
from graph.embedded.store import SqliteGraphStore
from graph.leg import GraphLeg, GraphLinks
from retrieval.embedded.database import Database
from retrieval.embedded.documents import SqliteDocumentStore
from retrieval.embedded.keywords import SqliteKeywordIndex
from retrieval.embedded.vectors import SqliteVectorStore
from retrieval.embedders.wordllama import WordLlamaEmbedder
from retrieval.errors import InvalidText, Permanent
from retrieval.fusion import GRAPH, KEYWORD, VECTOR
from retrieval.hybrid import Hybrid
from retrieval.legs import count_words, keyword_leg, vector_leg
from retrieval.ports import Leg
from retrieval.ranker import trained
from retrieval.types import Document, Found, LegState, Query, Vector

INJECTION = """Robert'); DROP TABLE passages; -- "]}) DETACH DELETE n // * NEAR("""
CORPUS = [
    Document("pump", "Pump P-101", "Pump P-101 is driven by Motor M-5. The Who played It."),
    Document("motor", "Motor M-5", "A machine of 5 kW, wound in Delft."),
    Document("it", "It", "A novel of 1986."),
    Document("the", "The", "An album."),
    Document("robert", INJECTION, "He is called so."),
]


class Base:
    def __init__(self, ingestion: Ingestion, hybrid: Hybrid) -> None:
        self._ingestion = ingestion
        self._hybrid = hybrid

    async def add(self, documents: Sequence[Document]) -> None:
        report = await self._ingestion.ingest_documents(documents)
        assert report.errors == []

    async def ask(self, question: str) -> Found:
        """Fails when a leg does: bad input must not be why one is missing."""
        found = await self._hybrid.search(Query(question))
        assert {report.state for report in found.legs} == {LegState.OK}, found.legs
        return found

    async def ids(self, question: str) -> list[str]:
        return [ranked.passage.id for ranked in (await self.ask(question)).passages]


@pytest.fixture
async def base(tmp_path: Path) -> AsyncIterator[Base]:
    db, embedder = await Database.open(tmp_path / "store.db"), WordLlamaEmbedder()
    documents, vectors = await SqliteDocumentStore.open(db), await SqliteVectorStore.open(db)
    graph, keywords = await SqliteGraphStore.open(db), await SqliteKeywordIndex.open(db)
    ingestion = Ingestion(
        documents, SteppedLibrary(documents, vectors, graph), embedder, graph, await SqliteRecordStore.open(db)
    )
    legs: dict[str, Leg] = {
        VECTOR: vector_leg(embedder, vectors),
        KEYWORD: keyword_leg(keywords),
        GRAPH: GraphLeg(graph),
    }
    hybrid = Hybrid(
        documents,
        legs,
        links=GraphLinks(graph),
        ranker=trained(),
        count_words=count_words(keywords),
        deadline_s=30.0,
    )
    yield Base(ingestion, hybrid)
    await embedder.aclose()
    await db.aclose()


@pytest.mark.parametrize(
    "question",
    [
        "?",
        "\U0001f600\U0001f525\U0001f600",
        "pump " * 20_000,
        "Pump P-101 " * 9_000,
        "'; DROP TABLE passages; --",
        "MATCH (n) DETACH DELETE n RETURN *",
        '"pump" AND NOT (motor* OR NEAR(it, 2)) {title} : ^x -y',
        "\0pump\0",
        INJECTION,
    ],
)
async def test_any_question_is_only_text(base: Base, question: str) -> None:
    """No leg fails for it, nothing in the stores changes, and the next question is answered."""
    await base.add(CORPUS)
    await base.ask(question)
    assert (await base.ids("Where was the motor of Pump P-101 wound?"))[:2] in (["pump", "motor"], ["motor", "pump"])


async def test_an_empty_base_finds_nothing(base: Base) -> None:
    """No passage and no error."""
    assert await base.ids("Where was the motor wound?") == []


async def test_a_base_without_links_is_ranked_by_its_legs(base: Base) -> None:
    """Texts without a name in them."""
    await base.add([Document(f"d{i}", "", f"water flows through tube number {i}") for i in range(30)])
    assert (await base.ids("which tube is number 7?"))[0] == "d7"


async def test_a_name_that_is_a_stop_word_is_found_when_it_is_asked_for(base: Base) -> None:
    """And does not stand in the way of other questions."""
    await base.add(CORPUS)
    assert "it" in await base.ids("Who wrote It?")
    assert (await base.ids("Is it the pump?"))[0] == "pump"


async def test_a_name_with_injection_in_it_is_a_name(base: Base) -> None:
    """It is found by its words."""
    await base.add(CORPUS)
    assert (await base.ids("Who is Robert DROP TABLE passages?"))[0] == "robert"


async def test_a_title_that_very_many_documents_have(base: Base) -> None:
    """It tells nothing apart and costs no more: the text decides."""
    await base.add([Document(f"d{i}", "Report", f"Report of case {i}: all is well.") for i in range(2_000)])
    await base.add([Document("other", "Leak", "As the Report says, brine came out of the flange.")])
    assert (await base.ids("Where did brine come out?"))[0] == "other"
    assert len(await base.ids("What does the Report say?")) == 5


@pytest.mark.parametrize("question", ["", " \n\t", "\ud800"])
async def test_no_question_is_refused(base: Base, question: str) -> None:
    """A blank question, or one that is not Unicode, is an error with a code before anything runs."""
    with pytest.raises(InvalidText):
        await base.ask(question)


class Broken:
    """An embedder that is well at ingest and gives `vector` for every question."""

    name, dimension = "broken", 3

    def __init__(self, vector: Vector) -> None:
        self._vector = vector

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        return [[1.0, float(len(text)), 0.5] for text in texts] if len(texts) > 1 else [self._vector]


@pytest.mark.parametrize(
    "vector", [[float("nan"), 1.0, 0.0], [float("inf"), 1.0, 0.0], [0.0, 0.0, 0.0], [1.0], [1.0] * 4]
)
async def test_a_bad_vector_costs_its_leg_only(tmp_path: Path, vector: Vector) -> None:
    """A vector that is not finite, zero or of another dimension is never searched with, and never stored: the other
    legs answer."""
    db = await Database.open(tmp_path / "store.db")
    documents, vectors = await SqliteDocumentStore.open(db), await SqliteVectorStore.open(db)
    graph, keywords = await SqliteGraphStore.open(db), await SqliteKeywordIndex.open(db)
    broken = Broken(vector)
    ingestion = Ingestion(
        documents, SteppedLibrary(documents, vectors, graph), broken, graph, await SqliteRecordStore.open(db)
    )
    await ingestion.ingest_documents(CORPUS)
    legs: dict[str, Leg] = {VECTOR: vector_leg(broken, vectors), KEYWORD: keyword_leg(keywords), GRAPH: GraphLeg(graph)}
    found = await Hybrid(documents, legs, links=GraphLinks(graph), ranker=trained(), deadline_s=30.0).search(
        Query("Where was the motor of Pump P-101 wound?")
    )
    assert {ranked.passage.id for ranked in found.passages[:2]} == {"pump", "motor"}
    (report,) = [report for report in found.legs if report.leg == VECTOR]
    assert (report.state, report.code) in {
        (LegState.FAILED, "upstream_rejected"),
        (LegState.FAILED, "dimension_mismatch"),
    }
    with pytest.raises(Permanent):
        await ingestion.ingest_documents([Document("new", "", "one passage alone")])
    await db.aclose()


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_ten_thousand_documents_of_one_title(base: Base) -> None:
    """Links do not grow with the square of the documents: a question reads a bounded number of them."""
    await base.add([Document(f"d{i}", "Report", f"Report of case {i}: see the Report before.") for i in range(10_000)])
    await base.add([Document("other", "Leak", "As the Report says, brine came out of the flange.")])
    assert (await base.ids("Where did brine come out?"))[0] == "other"
    found = await base.ask("What does the Report of case 4711 say?")
    assert found.passages[0].passage.id == "d4711"
    (expansion,) = [report for report in found.legs if report.leg == "expansion"]
    assert expansion.hits < 20_000


_HUGE = """
import asyncio, resource, sys
from pathlib import Path
from chatserver.settings import Settings, Storage
from chatserver.wiring import open_knowledge
from retrieval.types import Document, Query

async def main():
    async with open_knowledge(Settings(storage=Storage(data_dir=Path(sys.argv[1])))) as knowledge:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        line = "The valve of section {} closes when its pressure falls below {} bar.\\n"
        text = "".join(line.format(n, n % 97) for n in range(int(sys.argv[2]) // 66))
        report = await knowledge.ingestion.ingest_documents([Document("huge", "Handbook", text)])
        assert report.errors == [], report.errors[:3]
        found = await knowledge.hybrid.search(Query("When does the valve of section 4711 close?"))
        assert any("section 4711 " in ranked.passage.text for ranked in found.passages), found.passages[:1]
        print(report.passages, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.timeout(1_200)
def test_a_document_of_fifty_megabytes(tmp_path: Path) -> None:
    """It goes in as a whole and is found by a detail, with a small multiple of its size in memory."""
    command = [sys.executable, "-c", _HUGE, str(tmp_path), str(50 * 2**20)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1_100)
    assert done.returncode == 0, done.stderr
    passages, grown_mib = map(int, done.stdout.split())
    assert passages > 20_000
    assert grown_mib < 1_500
