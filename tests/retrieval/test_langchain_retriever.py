"""The hybrid search as a LangChain retriever, by LangChain's own standard tests and ours."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda
from langchain_tests.integration_tests import RetrieversIntegrationTests

from chatserver.settings import Settings, Storage
from chatserver.wiring import open_knowledge
from retrieval.background import BackgroundLoop
from retrieval.errors import InvalidText
from retrieval.langchain import HybridRetriever, Search
from retrieval.types import Document

DOCS = Path(__file__).parents[2] / "docs" / "langchain.md"
NOTES = [
    Document("p101", "Pump P-101", "It is driven by motor M-5.", {"line": 1, "tags": ("wet", "loud")}),
    Document("m5", "Motor M-5", "A machine of 5 kW, wound in Delft.", {"line": 2}),
    Document("v7", "Valve V-7", "Closes when the pressure of a pump falls.", {"line": 2}),
    Document("t1", "Tank T-1", "Holds what a motor drives.", {"line": 3}),
]


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Search]:
    """The real hybrid over real stores, opened on a loop in another thread."""
    background = BackgroundLoop("test-search")
    opened = open_knowledge(Settings(storage=Storage(data_dir=tmp_path_factory.mktemp("data"))))
    knowledge = background.run(_entered(opened))
    background.run(knowledge.ingestion.ingest_documents(NOTES))
    yield knowledge.hybrid.search
    background.run(opened.__aexit__(None, None, None))
    background.close()


async def _entered(opened: Any) -> Any:
    return await opened.__aenter__()


class TestStandard(RetrieversIntegrationTests):
    """LangChain's own."""

    @pytest.fixture(autouse=True)
    def _opened(self, search: Search) -> Iterator[None]:
        self._search = search
        self._made: list[HybridRetriever] = []
        yield
        for retriever in self._made:
            retriever.close()

    @property
    def retriever_constructor(self) -> Any:
        def made(**parameters: Any) -> HybridRetriever:
            self._made.append(HybridRetriever(**parameters))
            return self._made[-1]

        return made

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return {"search": self._search}

    @property
    def retriever_query_example(self) -> str:
        return "Which motor drives the pump?"


async def test_a_document_tells_what_it_is_and_how_it_was_found(search: Search) -> None:
    """Id, text and metadata are the passage's; score and reasons come with them."""
    retriever = HybridRetriever(search=search, k=2)
    found = await retriever.ainvoke("Where was the motor of Pump P-101 wound?")
    by_id = {document.id: document for document in found}
    assert set(by_id) == {"p101", "m5"}
    assert by_id["m5"].page_content == "A machine of 5 kW, wound in Delft."
    told = by_id["p101"].metadata
    assert (told["line"], told["tags"], told["title"], told["document"]) == (1, ["wet", "loud"], "Pump P-101", "p101")
    assert told["score"] > 0
    assert any(why.startswith("vector") for why in told["why"])


async def test_a_filter_and_a_namespace_hold(search: Search) -> None:
    """They are those of the query."""
    retriever = HybridRetriever(search=search, filter={"line": 2})
    assert {document.id for document in await retriever.ainvoke("pump")} <= {"m5", "v7"}
    assert await HybridRetriever(search=search, namespace="other").ainvoke("pump") == []


async def test_an_error_is_ours(search: Search) -> None:
    """It keeps its code."""
    with pytest.raises(InvalidText):
        await HybridRetriever(search=search).ainvoke(" ")


async def test_it_is_a_step_of_a_chain(search: Search) -> None:
    """As any runnable, many questions at once included."""
    chain = HybridRetriever(search=search, k=1) | RunnableLambda(len)
    assert await asyncio.gather(*(chain.ainvoke("pump") for _ in range(20))) == [1] * 20


def test_the_snippet_runs(tmp_path: Path) -> None:
    """The program of the document finds both passages of the chain."""
    (program,) = re.findall(r"^```python\n(.*?)^```$", DOCS.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    command = [sys.executable, "-W", "error", "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()} == {"p101", "m5"}
