"""The Cypher, each statement in a file of its own: `cypher/NAME.cypher`."""

from functools import cache
from importlib import resources


@cache
def query(name: str) -> str:
    return (resources.files("graph.neo4j") / "cypher" / f"{name}.cypher").read_text("utf-8")


@cache
def walk(hops: int) -> str:
    """The links that lead up to so many hops away: one statement, one round trip."""
    steps = ["walk_step", *["walk_further", "walk_step"] * (hops - 1)] if hops > 0 else []
    return "\n".join(query(name) for name in ("walk_start", *steps, "walk_end"))


def statements(name: str) -> list[str]:
    """A file of several statements, each ended by a semicolon."""
    return [text.strip() for text in query(name).split(";") if text.strip()]
