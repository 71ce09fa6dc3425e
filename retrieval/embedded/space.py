"""Which embedder made the vectors of a file. Functions of a connection, for transactions of the vector stores."""

import sqlite3

from retrieval.embedded import schema
from retrieval.embedded.database import Database
from retrieval.errors import EmbedderChanged
from retrieval.types import Space

_SET = "INSERT OR REPLACE INTO vector_space VALUES (1, ?, ?)"
_ANY = "SELECT 1 FROM vectors WHERE vector IS NOT NULL LIMIT 1"


async def prepare(db: Database) -> None:
    """After the tables of the vectors."""
    await db.migrate("retrieval.vector_space", schema.SPACE)


def stored(connection: sqlite3.Connection) -> Space | None:
    """None when no embedder has been named yet."""
    row = connection.execute("SELECT name, dimension FROM vector_space").fetchone()
    return row and Space(*row)


def check(connection: sqlite3.Connection, space: Space) -> None:
    """Raises `EmbedderChanged`."""
    found = stored(connection)
    if found is not None and found != space:
        raise EmbedderChanged(found, space)


def claim(connection: sqlite3.Connection, space: Space) -> None:
    """Names the space of all vectors to come. Raises `EmbedderChanged` when there are vectors of another."""
    if connection.execute(_ANY).fetchone():
        check(connection, space)
    put(connection, space)


def put(connection: sqlite3.Connection, space: Space) -> None:
    connection.execute(_SET, (space.name, space.dimension))
