"""Three documents that name each other, as a graph store is told of them."""

from graph.linking import document_links
from graph.mentions import NameTrie
from graph.names import title_names
from graph.ports import GraphStore
from graph.types import DocumentLinks
from retrieval.types import Passage

FILM = ("film", "The Prairie King", "The Prairie King is a film by B. Reeves Eason, made by Universal Pictures.")
DIRECTOR = ("director", "B. Reeves Eason", "B. Reeves Eason was born in Massachusetts.")
OTHER = ("other", "Ride Alone", "Ride Alone is a film made by Universal Pictures.")
CORPUS = (FILM, DIRECTOR, OTHER)
Text = tuple[str, ...]
"""Document id, title, and one text for each passage."""


def links(document: Text, *known: Text) -> DocumentLinks:
    id, title, *texts = document
    ids = [id] if len(texts) == 1 else [f"{id}#{index}" for index in range(len(texts))]
    passages = [Passage(passage, id, title, text) for passage, text in zip(ids, texts, strict=True)]
    names = NameTrie(name.id for other in (document, *known) for name in title_names(other[1]))
    return document_links(id, title, passages, names)


async def fill(store: GraphStore, *documents: Text, namespace: str = "") -> None:
    await store.link([links(document, *documents) for document in documents], namespace=namespace)


async def reached(store: GraphStore, *passages: str, hops: int = 1, namespace: str = "") -> dict[str, str]:
    hits = await store.expand(passages, [], limit=50, hops=hops, namespace=namespace)
    return {hit.passage: hit.why for hit in hits}
