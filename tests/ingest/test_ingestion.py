"""Ingestion into the embedded stores, with the default embedder."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from chatserver.ingest.formats.isolated import IsolatedParser
from chatserver.ingest.formats.parsed import Bounds
from chatserver.ingest.ingestion import Ingestion
from chatserver.ingest.library import SteppedLibrary
from chatserver.ingest.report import STAGES
from graph.embedded.records import SqliteRecordStore
from graph.embedded.store import SqliteGraphStore
from graph.types import Condition, Record, RecordQuery
from retrieval.embedded.database import Database
from retrieval.embedded.documents import SqliteDocumentStore
from retrieval.embedded.vectors import SqliteVectorStore
from retrieval.embedders.wordllama import WordLlamaEmbedder
from retrieval.errors import Temporary
from retrieval.types import Document, Vector
from tests.ingest import documents


@dataclass
class Knowledge:
    """The stores of one database, and an ingestion into them."""

    db: Database
    documents: SqliteDocumentStore
    vectors: SqliteVectorStore
    graph: SqliteGraphStore
    records: SqliteRecordStore
    embedder: "Counting"

    @property
    def ingestion(self) -> Ingestion:
        return Ingestion(self.documents, self.library, self.embedder, self.graph, self.records)

    def parsing(self, parser: IsolatedParser) -> Ingestion:
        """The same, and files of foreign formats."""
        return Ingestion(self.documents, self.library, self.embedder, self.graph, self.records, parser=parser)

    @property
    def library(self) -> SteppedLibrary:
        return SteppedLibrary(self.documents, self.vectors, self.graph)

    async def linked(self, passage: str) -> set[str]:
        return {hit.passage for hit in await self.graph.expand([passage], [], limit=100)}

    async def nearest(self, text: str, top_k: int = 100) -> list[str]:
        (vector,) = await self.embedder.embed([text])
        return [hit.passage for hit in await self.vectors.search(vector, top_k=top_k)]

    async def dump(self) -> str:
        """All that the database holds, but for the keys of rows."""

        def run(connection: sqlite3.Connection) -> list[object]:
            return [
                connection.execute(query).fetchall()
                for query in (
                    "SELECT id, title, content_hash FROM documents ORDER BY id",
                    "SELECT id, title, text FROM passages ORDER BY id",
                    "SELECT passage FROM vectors WHERE vector IS NOT NULL ORDER BY passage",
                    "SELECT key, name, df, plain FROM graph_entity ORDER BY key",
                    "SELECT p.key, e.key, start, end FROM graph_mention JOIN graph_passage AS p ON p.id = passage "
                    "JOIN graph_entity AS e ON e.id = entity ORDER BY 1, 2",
                    "SELECT collection, id, fields FROM record ORDER BY 1, 2",
                )
            ]

        return json.dumps(await self.db.read(run))


class Counting:
    """The default embedder; it counts the texts, and fails when it is told to."""

    def __init__(self) -> None:
        self._embedder = WordLlamaEmbedder()
        self.name, self.dimension = self._embedder.name, self._embedder.dimension
        self.texts = 0
        self.fail_after: int | None = None

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        self.texts += len(texts)
        if self.fail_after is not None and self.texts > self.fail_after:
            raise Temporary("told to")
        return await self._embedder.embed(texts)

    async def aclose(self) -> None:
        await self._embedder.aclose()


@pytest.fixture
async def knowledge(tmp_path: Path) -> AsyncIterator[Knowledge]:
    db = await Database.open(tmp_path / "data" / "knowledge.db")
    embedder = Counting()
    yield Knowledge(
        db,
        await SqliteDocumentStore.open(db),
        await SqliteVectorStore.open(db),
        await SqliteGraphStore.open(db),
        await SqliteRecordStore.open(db),
        embedder,
    )
    await embedder.aclose()
    await db.aclose()


ALARMS = "# Alarms of CU-7\n\nAlarm A-41 means that the pump P-101 vibrates.\n"
PUMP = {"id": "P-101", "title": "P-101 (glycol pump, duty)", "text": "It pumps glycol through E-301."}
EVENT = "id,t_start,component,value\nTE-1,2026-03-11T06:00:00Z,P-101,7.4\nTE-2,2026-03-12T06:00:00Z,E-301,1\n"


def corpus(root: Path) -> Path:
    """A little of every kind."""
    folder = root / "corpus"
    folder.mkdir()
    (folder / "alarms.md").write_text(ALARMS)
    (folder / "notes.txt").write_text("The exchanger E-301 leaks.")
    (folder / "passages.jsonl").write_text(json.dumps(PUMP))
    (folder / "TelemetryEvent.csv").write_text(EVENT)
    return folder


async def test_everything_lands_in_its_store(knowledge: Knowledge, tmp_path: Path) -> None:
    """Documents, vectors, links between them, and records."""
    report = await knowledge.ingestion.ingest_paths([corpus(tmp_path)])
    assert (report.documents, report.passages, report.records) == (3, 3, 2)
    assert (report.unchanged, report.skipped, report.errors) == (0, [], [])
    assert await knowledge.documents.count() == {"documents": 3, "passages": 3}
    assert (await knowledge.nearest("a leaking exchanger"))[0] == "notes.txt"
    assert await knowledge.linked("alarms.md") == {"P-101"}
    assert await knowledge.linked("P-101") == {"alarms.md", "notes.txt"}
    found = await knowledge.records.query(RecordQuery("TelemetryEvent", (Condition("value", ">", 5),)))
    assert [record.id for record in found] == ["TE-1"]


async def test_doing_it_again_changes_nothing(knowledge: Knowledge, tmp_path: Path) -> None:
    """Unchanged documents are not chunked, embedded or written again."""
    folder = corpus(tmp_path)
    await knowledge.ingestion.ingest_paths([folder])
    before, texts = await knowledge.dump(), knowledge.embedder.texts
    report = await knowledge.ingestion.ingest_paths([folder])
    assert (report.documents, report.unchanged, report.records) == (0, 3, 2)
    assert knowledge.embedder.texts == texts
    assert await knowledge.dump() == before


async def test_a_changed_document_replaces_its_old_self(knowledge: Knowledge, tmp_path: Path) -> None:
    """Nothing of the old text is found any more: passage, vector or link; the others are left alone."""
    folder = corpus(tmp_path)
    section = "The evaporator freezes when the flow is low. " * 20
    (folder / "alarms.md").write_text("".join(f"# Part {i}\n\n{section}\n\n" for i in range(3)))
    await knowledge.ingestion.ingest_paths([folder])
    assert "alarms.md#2" in await knowledge.nearest("evaporator")
    (folder / "alarms.md").write_text(ALARMS)
    report = await knowledge.ingestion.ingest_paths([folder])
    assert (report.documents, report.unchanged) == (1, 2)
    assert sorted(await knowledge.nearest("evaporator")) == ["P-101", "alarms.md", "notes.txt"]
    assert await knowledge.linked("alarms.md") == {"P-101"}


async def test_a_changed_title_or_metadata_is_a_change(knowledge: Knowledge) -> None:
    """The hash is of everything that is stored."""
    await knowledge.ingestion.ingest_documents([Document("a", "A", "text")])
    for changed in (Document("a", "B", "text"), Document("a", "B", "text", {"year": 1999})):
        report = await knowledge.ingestion.ingest_documents([changed])
        assert report.documents == 1


async def test_a_bad_file_disturbs_no_other(knowledge: Knowledge, tmp_path: Path) -> None:
    """Every fault is an entry with file, line and code; the rest goes in."""
    folder = corpus(tmp_path)
    (folder / "empty.md").write_bytes(b"")
    (folder / "latin.txt").write_bytes(b"caf\xe9")
    (folder / "broken.jsonl").write_text('{"id": "x", "text": "fine"}\n{"id": ')
    (folder / "again.jsonl").write_text('{"id": "P-101", "text": "another"}')
    (folder / "report.odt").write_bytes(b"PK")
    (folder / "questions.jsonl").write_text('{"id": "q", "question": "Who?"}')
    (folder / "Odd.jsonl").write_text('{"id": "o", "a\\"b": 1}')
    report = await knowledge.ingestion.ingest_paths([folder, tmp_path / "gone.md"])
    assert (report.documents, report.records) == (4, 2)
    assert report.skipped == ["report.odt"]
    assert sorted((problem.code, problem.file.rpartition("/")[2], problem.line) for problem in report.errors) == [
        ("duplicate_id", "passages.jsonl", 1),
        ("empty_file", "empty.md", 0),
        ("invalid_json", "broken.jsonl", 2),
        ("invalid_record", "Odd.jsonl", 1),
        ("invalid_utf8", "latin.txt", 1),
        ("no_text", "questions.jsonl", 1),
        ("not_found", "gone.md", 0),
    ]


async def test_files_of_one_name_in_two_directories(knowledge: Knowledge, tmp_path: Path) -> None:
    """Of two documents with one id the first goes in and the second is told; rows with other ids go in from both."""
    for number, folder in enumerate(("one", "two")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.md").write_text(f"# Pump {folder}\n\nIt moves water.")
        (tmp_path / folder / "rows.jsonl").write_text(f'{{"id": "r{number}", "text": "fine"}}\n')
    for expected in ((3, 0), (0, 3)):
        report = await knowledge.ingestion.ingest_paths([tmp_path / "one", tmp_path / "two"])
        assert (report.documents, report.unchanged) == expected
        assert [(problem.code, problem.file) for problem in report.errors] == [("duplicate_id", "a.md (2)")]
    (passage,) = await knowledge.documents.passages(["a.md"])
    assert "Pump one" in passage.text


async def test_a_file_that_vanishes_is_told(knowledge: Knowledge, tmp_path: Path) -> None:
    """Reading may fail after the walk; the other files go in."""
    folder = corpus(tmp_path)
    target = folder / "target.md"
    target.write_text("# Target\n\ntext")

    def vanish(stage: str, done: int, total: int) -> None:
        target.unlink(missing_ok=True)

    report = await knowledge.ingestion.ingest_paths([folder], progress=vanish)
    assert [(problem.code, problem.file) for problem in report.errors] == [("unreadable_file", "target.md")]
    assert report.documents == 3


async def test_an_empty_corpus_is_an_error(knowledge: Knowledge, tmp_path: Path) -> None:
    """Nobody asks for nothing; the stores stay as they are."""
    (tmp_path / "none").mkdir()
    for report in (
        await knowledge.ingestion.ingest_paths([tmp_path / "none"]),
        await knowledge.ingestion.ingest_paths([]),
        await knowledge.ingestion.ingest_documents([]),
    ):
        assert [problem.code for problem in report.errors] == ["empty_corpus"]


async def test_bad_documents_and_records_are_left_out(knowledge: Knowledge) -> None:
    """Given as values they are checked like those of files."""
    documents = [Document("", "t", "x"), Document("a", "t", " "), Document("b", "t", "\ud800"), Document("c", "t", "x")]
    report = await knowledge.ingestion.ingest_documents([*documents, documents[-1]])
    assert [problem.code for problem in report.errors] == ["missing_id", "empty_text", "invalid_text", "duplicate_id"]
    assert report.documents == 1
    records = [Record("E", "", {}), Record("E", "a", {"v": float("nan")}), Record("E", "b", {"v": 1})]
    report = await knowledge.ingestion.ingest_records(records)
    assert [problem.code for problem in report.errors] == ["invalid_record"] * 2
    assert report.records == 1


async def test_a_title_that_comes_later_is_linked_to_earlier_passages(knowledge: Knowledge) -> None:
    """Within one ingest and over several, whatever the order."""
    first = [Document("talk", "Talk", "They argue over the low bridge at night."), Document("x", "X-1", "See P-101.")]
    await knowledge.ingestion.ingest_documents([*first, Document("pump", "P-101", "It pumps.")])
    assert await knowledge.linked("x") == {"pump"}
    await knowledge.ingestion.ingest_documents([Document("new", "Over the low bridge", "A novel.")])
    assert await knowledge.linked("talk") == {"new"}


async def test_passages_know_the_names_that_come_after_them_in_a_file(knowledge: Knowledge, tmp_path: Path) -> None:
    """They are linked with them and say them in their metadata, as those that come behind."""
    title, text = "the old low bridge", "They cross the old low bridge at night."
    rows = [
        {"id": "before", "text": text},
        {"id": "it", "title": title, "text": "Low."},
        {"id": "behind", "text": text},
    ]
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)))
    await knowledge.ingestion.ingest_paths([tmp_path])
    before, behind = await knowledge.documents.passages(["before", "behind"])
    assert before.metadata["entities"] == behind.metadata["entities"] == (title,)
    assert "it" in await knowledge.linked("before") & await knowledge.linked("behind")


async def test_namespaces_are_apart(knowledge: Knowledge, tmp_path: Path) -> None:
    """The same corpus goes into each."""
    folder = corpus(tmp_path)
    for namespace in ("a", "b"):
        report = await knowledge.ingestion.ingest_paths([folder], namespace)
        assert report.documents == 3
    assert await knowledge.documents.count() == {"documents": 0, "passages": 0}
    assert await knowledge.documents.count(namespace="b") == {"documents": 3, "passages": 3}


def many(count: int) -> list[Document]:
    return [Document(f"d{i}", f"Pump P-{i}", f"It feeds Pump P-{(i + 7) % count}.") for i in range(count)]


async def test_a_failure_ends_the_ingest_and_the_next_one_finishes_it(knowledge: Knowledge) -> None:
    """The store's own error comes out, what was complete is not done again, and in the end nothing is missing."""
    knowledge.embedder.fail_after = 300
    with pytest.raises(Temporary):
        await knowledge.ingestion.ingest_documents(many(600))
    knowledge.embedder.fail_after = None
    report = await knowledge.ingestion.ingest_documents(many(600))
    assert report.unchanged <= 300
    assert report.documents + report.unchanged == 600
    assert await knowledge.documents.count() == {"documents": 600, "passages": 600}
    for i in range(600):
        assert f"d{(i + 7) % 600}" in await knowledge.linked(f"d{i}")


async def test_progress_is_told(knowledge: Knowledge, tmp_path: Path) -> None:
    """Each stage grows to its end: files by bytes, passages as they are embedded and stored, names as linked."""
    seen: dict[str, list[tuple[int, int]]] = {}
    folder = corpus(tmp_path)
    await knowledge.ingestion.ingest_paths(
        [folder], progress=lambda stage, done, total: seen.setdefault(stage, []).append((done, total))
    )
    assert set(seen) == set(STAGES) - {"metadata"}
    size = sum(path.stat().st_size for path in folder.iterdir())
    assert [steps[-1] for steps in map(seen.__getitem__, ("load", "embed", "store"))] == [(size, size), (3, 3), (3, 3)]
    assert all(steps == sorted(steps) and steps[-1][0] == steps[-1][1] for steps in seen.values())


async def test_cancelling_leaves_every_document_whole_or_out(knowledge: Knowledge) -> None:
    """A document whose hash is stored has its passages, vectors and links; the next ingest brings the others."""

    def cancel(stage: str, done: int, total: int) -> None:
        if stage == "store" and done >= 100:
            task.cancel()

    task = asyncio.create_task(knowledge.ingestion.ingest_documents(many(600), progress=cancel))
    with pytest.raises(asyncio.CancelledError):
        await task
    report = await knowledge.ingestion.ingest_documents(many(600))
    assert report.documents + report.unchanged == 600
    assert report.unchanged >= 100
    assert await knowledge.documents.count() == {"documents": 600, "passages": 600}
    assert len(await knowledge.nearest("pump", 1000)) == 600


async def test_a_bad_file_is_left_out_and_the_others_go_in(knowledge: Knowledge, tmp_path: Path) -> None:
    """Each with its code; what is sound is found by its words, from its page, its PDF and its Word document."""
    folder = tmp_path / "mixed"
    folder.mkdir()
    sound: dict[str, bytes | str] = {
        "a.html": documents.PAGE,
        "b.pdf": documents.pdf(["Valve V-2 closes."]),
        "c.docx": documents.docx(),
    }
    bad: dict[str, bytes | str] = {
        "d.pdf": documents.encrypted_pdf(),
        "e.docx": documents.docx()[:-300],
        "f.txt": documents.pdf(["x"]),
        "g.md": "Käse".encode() + "Käse".encode("cp1252"),
        "h.html": b"",
        "i.pdf": documents.pdf([""], pictures=True),
    }
    documents.write(folder, sound | bad)
    parser = IsolatedParser(Bounds())
    ingestion = knowledge.parsing(parser)
    report = await ingestion.ingest_paths([folder])
    again = await ingestion.ingest_paths([folder])
    await parser.aclose()
    assert {problem.file: problem.code for problem in report.errors} == {
        "d.pdf": "encrypted",
        "e.docx": "damaged_file",
        "f.txt": "wrong_type",
        "g.md": "invalid_utf8",
        "h.html": "empty_file",
        "i.pdf": "scanned_only",
    }
    assert (report.documents, again.unchanged) == (3, 3)
    (closing,) = await knowledge.documents.passages(["b.pdf"])
    assert closing.text == "Valve V-2 closes."
    assert closing.metadata.items() >= {"format": "pdf", "pages": 1}.items()


@pytest.mark.parametrize("order", [("md", "pdf", "docx", "html", "txt"), ("html", "docx", "txt", "md", "pdf")])
async def test_files_of_every_format_are_linked_whatever_the_order(
    knowledge: Knowledge, tmp_path: Path, order: Sequence[str]
) -> None:
    """Names may be known before anything is read, come with a file's text, or with the next ingest."""
    written: dict[str, bytes | str] = {
        "md": "# Talk\n\nThe valve V-2 is older than Pump P-101.",
        "pdf": documents.pdf(["Pump P-101 stands behind the valve V-2."]),
        "docx": documents.docx_titled("V-2", "It closes the way to Pump P-101."),
        "html": documents.PAGE,
        "txt": "The valve V-2 leaks.",
    }
    names = {kind: f"{number}.{kind}" for number, kind in enumerate(order)}
    documents.write(tmp_path, {names[kind]: content for kind, content in written.items()})
    parser = IsolatedParser(Bounds())
    ingestion = knowledge.parsing(parser)
    for some in (["md", "docx", "txt"], list(order)):
        report = await ingestion.ingest_paths([tmp_path / names[kind] for kind in order if kind in some])
        assert report.errors == []
    await parser.aclose()
    valve, pump = names["docx"], names["html"]
    linked = {kind: await knowledge.linked(names[kind]) & {valve, pump} for kind in ("md", "pdf", "docx", "txt")}
    assert linked == {"md": {valve, pump}, "pdf": {valve, pump}, "docx": {pump}, "txt": {valve}}


async def test_without_the_extra_a_file_is_told(knowledge: Knowledge, tmp_path: Path) -> None:
    """Where nothing parses, its kind is an error of that file alone."""
    documents.write(tmp_path, {"a.html": documents.PAGE, "b.md": "# Valve"})
    report = await knowledge.ingestion.ingest_paths([tmp_path / "a.html", tmp_path / "b.md"])
    assert [problem.code for problem in report.errors] == ["format_not_installed"]
    assert report.documents == 1
