"""The graph's tables. Ids inside are integers: edges are small, a hop is a look-up in a covering index."""

from retrieval.embedded.database import Database

_TABLES = (
    "CREATE TABLE graph_size (namespace TEXT PRIMARY KEY, passages INTEGER NOT NULL) WITHOUT ROWID",
    """CREATE TABLE graph_document (
        id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, key TEXT NOT NULL, title TEXT NOT NULL,
        UNIQUE (namespace, key))""",
    """CREATE TABLE graph_passage (
        id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, key TEXT NOT NULL,
        document INTEGER NOT NULL REFERENCES graph_document, position INTEGER NOT NULL,
        UNIQUE (namespace, key))""",
    "CREATE UNIQUE INDEX graph_passage_order ON graph_passage (document, position)",  # PART_OF and NEXT
    # df: passages that mention it; plain: passages where it stands as an ordinary word
    """CREATE TABLE graph_entity (
        id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, key TEXT NOT NULL, name TEXT NOT NULL,
        df INTEGER NOT NULL DEFAULT 0, plain INTEGER NOT NULL DEFAULT 0,
        UNIQUE (namespace, key))""",
    """CREATE TABLE graph_mention (
        passage INTEGER NOT NULL, entity INTEGER NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL,
        PRIMARY KEY (passage, entity)) WITHOUT ROWID""",
    "CREATE INDEX graph_mention_inverse ON graph_mention (entity, passage)",
    """CREATE TABLE graph_plain (
        passage INTEGER NOT NULL, entity INTEGER NOT NULL, PRIMARY KEY (passage, entity)) WITHOUT ROWID""",
    """CREATE TABLE graph_name (
        entity INTEGER NOT NULL, document INTEGER NOT NULL, PRIMARY KEY (entity, document)) WITHOUT ROWID""",
    "CREATE INDEX graph_name_inverse ON graph_name (document, entity)",
    """CREATE TABLE graph_record (
        id INTEGER PRIMARY KEY, namespace TEXT NOT NULL, collection TEXT NOT NULL, key TEXT NOT NULL,
        UNIQUE (namespace, collection, key))""",
    """CREATE TABLE graph_record_name (
        entity INTEGER NOT NULL, record INTEGER NOT NULL, field TEXT NOT NULL,
        PRIMARY KEY (entity, record, field)) WITHOUT ROWID""",
    "CREATE INDEX graph_record_name_inverse ON graph_record_name (record, entity)",
    # names that came after passages which may mention them
    "CREATE TABLE graph_unread (entity INTEGER PRIMARY KEY, namespace TEXT NOT NULL)",
    # what finds those passages: every word of every passage, in order; `scope` holds one word for the namespace
    "CREATE VIRTUAL TABLE graph_text USING fts5 (scope, text, tokenize = 'unicode61 remove_diacritics 2')",
)

_LINKERS = (
    # A passage that a linker has linked was linked with all names that it had announced; NULL when it was read again.
    "ALTER TABLE graph_passage ADD COLUMN linker TEXT",
    # `settled` before anything was called so: its linker does not know that
    """CREATE TABLE graph_announced (
        namespace TEXT NOT NULL, key TEXT NOT NULL, linker TEXT NOT NULL, settled INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (namespace, key)) WITHOUT ROWID""",
    "CREATE INDEX graph_announced_settled ON graph_announced (namespace, linker) WHERE settled",
)


async def prepare(db: Database) -> None:
    """Makes the tables."""
    await db.migrate("graph", _TABLES)
    await db.migrate("graph.linkers", _LINKERS)
