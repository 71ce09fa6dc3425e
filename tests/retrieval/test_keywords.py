from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from retrieval.chunking import chunk
from retrieval.embedded import keywords
from retrieval.embedded.database import Database
from retrieval.embedded.documents import SqliteDocumentStore
from retrieval.embedded.keywords import SqliteKeywordIndex
from retrieval.types import Document


@dataclass
class Shelf:
    documents: SqliteDocumentStore
    index: SqliteKeywordIndex

    async def put(self, id: str, text: str, namespace: str = "") -> None:
        document = Document(id, "", text)
        await self.documents.put(document, chunk(document), "hash", namespace=namespace)

    async def find(self, text: str, namespace: str = "") -> set[str]:
        return {hit.passage for hit in await self.index.search(text, top_k=100, namespace=namespace)}


@pytest.fixture
async def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shelf]:
    """Twenty passages of which ten are ranked: half are about a pump, all about water, one about a strainer."""
    monkeypatch.setattr(keywords, "RANKED", 10)
    db = await Database.open(tmp_path / "store.db")
    shelf = Shelf(await SqliteDocumentStore.open(db), await SqliteKeywordIndex.open(db))
    for number in range(20):
        words = ["water", "pump" if number % 2 else "valve", "strainer" if number == 7 else ""]
        await shelf.put(f"p{number}", " ".join(words))
    yield shelf
    await db.aclose()


async def test_the_most_common_words_of_a_large_namespace_find_nothing_beside_rarer_ones(shelf: Shelf) -> None:
    """As many of the rarest as the bound allows are looked up, two at least."""
    assert await shelf.find("water of the pump with the strainer") == {f"p{n}" for n in range(1, 20, 2)}
    assert len(await shelf.find("water in the pump")) == 20
    assert len(await shelf.find("water")) == 20


async def test_a_small_namespace_beside_a_large_one_looks_all_words_up(shelf: Shelf) -> None:
    """However common they are elsewhere; and it finds its own passages only."""
    await shelf.put("own", "water", namespace="b")
    await shelf.put("other", "pump and strainer", namespace="b")
    assert await shelf.find("water of the pump with the strainer", namespace="b") == {"own", "other"}
    assert await shelf.find("strainer") == {"p7"}


async def test_a_word_that_comes_is_found_at_once(shelf: Shelf) -> None:
    """Also one that was looked for in vain before, when there are as many passages as there were."""
    assert await shelf.find("slag in the water of the pump") == {f"p{n}" for n in range(20)}
    await shelf.put("p8", "slag")
    assert "p8" in await shelf.find("slag in the water of the pump")
    assert (await shelf.index.frequencies("slag")).of == {"slag": 1}


async def test_an_older_file_is_counted_when_it_is_opened(tmp_path: Path) -> None:
    """Passages that were stored before there were counts are in them, and deleted ones leave them."""
    db = await Database.open(tmp_path / "store.db")
    shelf = Shelf(await SqliteDocumentStore.open(db), SqliteKeywordIndex(db))
    await shelf.put("a", "pump")
    await shelf.put("b", "valve")
    shelf.index = await SqliteKeywordIndex.open(db)
    assert (await shelf.index.frequencies("pump")).passages == 2
    await shelf.documents.delete("a")
    await shelf.put("c", "slag", namespace="c")
    counted = await shelf.index.frequencies("pump")
    assert (counted.passages, counted.of) == (1, {"pump": 0})
    await db.aclose()
