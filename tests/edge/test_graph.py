"""`GET /v1/graph`: around an entity, and how the sources of an answer were reached."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from graph.embedded.store import SqliteGraphStore
from retrieval.errors import Temporary
from tests.edge.conftest import Doors
from tests.edge.test_http import answered, problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

FILM = "The Prairie King is a film by B. Reeves Eason."
DIRECTOR = "B. Reeves Eason was born in Massachusetts. He liked horses."
EVENTS = "id,t_start,film\n" + "".join(f"E-{n},2026-03-02T08:00:00Z,The Prairie King\n" for n in range(30))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def graph(doors: Doors, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Doors]:
    folder: Path = tmp_path_factory.mktemp("films")
    (folder / "film.md").write_text(f"# The Prairie King\n\n{FILM}\n")
    (folder / "director.md").write_text(f"# B. Reeves Eason\n\n{DIRECTOR}\n")
    (folder / "Screening.csv").write_text(EVENTS)
    await doors.system.knowledge.ingestion.ingest_paths([folder])
    yield doors


async def looked(doors: Doors, query: str, *, user: str = "ada") -> dict[str, Any]:
    response = await doors.get(f"/v1/graph?{query}", user=user)
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    return document


async def test_around_an_entity(graph: Doors) -> None:
    """The centre first, each node after its parent and with the words that say how it hangs there."""
    view = await looked(graph, "entity=b. reeves EASON")
    centre, *others = view["nodes"]
    assert centre == {
        "id": "entity:b reeves eason",
        "label": "B. Reeves Eason",
        "kind": "entity",
        "depth": 0,
        "parent": None,
        "words": "",
    }
    assert {(node["id"], node["parent"], node["words"]) for node in others} == {
        ("passage:film.md", centre["id"], "mentioned in"),
        ("document:director.md", centre["id"], "name of"),
    }
    assert (view["complete"], view["namespace"]) == (True, "")
    assert await looked(graph, "centre=entity:b. reeves eason") == view


async def test_a_large_graph_is_bounded(graph: Doors) -> None:
    """At most `limit` nodes, of every sort some, and it says that there is more."""
    view = await looked(graph, "entity=The Prairie King&limit=10")
    assert len(view["nodes"]) == 10
    assert {node["kind"] for node in view["nodes"]} == {"entity", "document", "record"}
    assert view["complete"] is False


async def test_an_unknown_name_tells_the_nearest(graph: Doors) -> None:
    """404, and no word of it when nothing is near or the namespace is another."""
    response = await graph.get("/v1/graph?entity=Reeves Easen")
    assert problem(response) == (404, "not_found")
    assert "Nearest: B. Reeves Eason" in response.json()["detail"]
    for query in ("entity=xyzzy", "entity=B. Reeves Eason&namespace=elsewhere"):
        response = await graph.get(f"/v1/graph?{query}")
        assert problem(response) == (404, "not_found")
        assert "Nearest" not in response.json()["detail"]


async def test_the_passages_of_an_answer(graph: Doors) -> None:
    """How each was reached, with its number; the question is the centre."""
    await answered(graph, "graph-1", text="Where was the director of The Prairie King born?")
    view = await looked(graph, "answer=graph-1")
    assert view["nodes"][0]["kind"] == "question"
    document = (await graph.get("/v1/answers/graph-1")).json()
    numbers = {node["n"]: node["id"] for node in view["nodes"] if "n" in node}
    assert [numbers[source["n"]].removeprefix("passage:") for source in document["sources"]] == [
        source["sourceId"] for source in document["sources"]
    ]
    assert all(node["words"] for node in view["nodes"][1:])


async def test_another_users_answer_has_no_graph(graph: Doors) -> None:
    """Exactly as one that does not exist; small talk has the question alone."""
    await answered(graph, "graph-2", text="hello")
    for answer in ("graph-2", "nothing"):
        assert problem(await graph.get(f"/v1/graph?answer={answer}", user="bob")) == (404, "unknown_answer")
    assert len((await looked(graph, "answer=graph-2"))["nodes"]) == 1
    assert problem(await graph.get("/v1/graph?entity=x", user=None)) == (401, "unauthenticated")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "entity=",
        "answer=",
        "entity=x&answer=y",
        "entity=x&hops=0",
        "entity=x&hops=4",
        "entity=x&limit=0",
        "entity=x&limit=201",
        "entity=x&limit=many",
        f"entity={'x' * 501}",
        f"entity=x&namespace={'n' * 201}",
    ],
)
async def test_a_bad_query_is_unprocessable(graph: Doors, query: str) -> None:
    """422, with the field that is wrong."""
    assert problem(await graph.get(f"/v1/graph?{query}")) == (422, "invalid_field")


@pytest.mark.parametrize("name", ["' OR 1=1 --", "%00", "\U0001f9ca", "MATCH (n) DETACH DELETE n", "../..", "a:b:c"])
async def test_a_name_is_only_a_name(graph: Doors, name: str) -> None:
    """Whatever its characters, it is looked up and not found."""
    assert problem(await graph.get("/v1/graph", params={"entity": name})) == (404, "not_found")


async def test_a_graph_that_is_away(graph: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with `Retry-After`."""

    async def away(*_: object, **__: object) -> Any:
        raise Temporary("bolt://graph:7687 refused")

    monkeypatch.setattr(SqliteGraphStore, "subgraph", away)
    response = await graph.get("/v1/graph?entity=x")
    assert problem(response) == (503, "unavailable")
    assert "bolt" not in response.text
    assert response.headers["retry-after"] == "1"
