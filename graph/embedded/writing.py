"""Writes of the graph, each a function of a connection inside one transaction."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from graph.names import record_names
from graph.types import DocumentLinks, Entity, PassageLinks, Record, RecordKey
from graph.weights import hub_limit
from retrieval.embedded.keywords import scope


class Lost(NamedTuple):
    """Entities that lost a mention, and those that lost a document called so."""

    edges: set[int]
    names: set[int]


def link(connection: sqlite3.Connection, namespace: str, documents: Sequence[DocumentLinks]) -> None:
    documents = list({document.document: document for document in documents}.values())
    lost = Lost(set(), set())
    for document in documents:
        _unlink(connection, namespace, document.document, lost)
    _insert(connection, namespace, documents)
    _take_back(connection, namespace, {document.linker for document in documents if document.linker})
    _mark_unread(connection, namespace, lost.names)
    _drop_orphans(connection, lost.edges)


def unlink(connection: sqlite3.Connection, namespace: str, document: str) -> None:
    lost = Lost(set(), set())
    _unlink(connection, namespace, document, lost)
    _mark_unread(connection, namespace, lost.names)
    _drop_orphans(connection, lost.edges)


def relink(
    connection: sqlite3.Connection, namespace: str, passages: Sequence[PassageLinks], settled: Sequence[str]
) -> None:
    ids = _passage_ids(connection, namespace, passages)
    touched = _forget_mentions(connection, ids.values())
    _mention(connection, namespace, ids, [passage for passage in passages if passage.passage in ids])
    connection.executemany("UPDATE graph_passage SET linker = NULL WHERE id = ?", [(id,) for id in ids.values()])
    known = _known_ids(connection, namespace, settled)
    read = known.values()
    connection.executemany("DELETE FROM graph_unread WHERE entity = ?", [(entity,) for entity in read])
    connection.executemany(
        """DELETE FROM graph_announced WHERE namespace = ? AND key = ?
           AND (EXISTS (SELECT 1 FROM graph_name WHERE entity = ?)
                OR EXISTS (SELECT 1 FROM graph_record_name WHERE entity = ?))""",
        [(namespace, name, entity, entity) for name, entity in known.items()],
    )
    connection.executemany(
        "UPDATE graph_announced SET settled = 1 WHERE namespace = ? AND key = ?",
        [(namespace, name) for name in settled],
    )
    _drop_orphans(connection, touched.union(read))


def unsettle(connection: sqlite3.Connection, namespace: str, names: Sequence[str]) -> None:
    connection.executemany(
        "INSERT OR IGNORE INTO graph_unread VALUES (?, ?)",
        [(entity, namespace) for entity in _known_ids(connection, namespace, names).values()],
    )


def announce(connection: sqlite3.Connection, namespace: str, names: Sequence[Entity], linker: str) -> None:
    entities = _entity_ids(connection, namespace, names)
    _mark_unread(connection, namespace, entities.values())
    connection.executemany(
        """INSERT OR REPLACE INTO graph_announced (namespace, key, linker)
           SELECT ?, ?, ? WHERE EXISTS (SELECT 1 FROM graph_unread WHERE entity = ?)""",
        [(namespace, key, linker, entity) for key, entity in entities.items()],
    )


def _take_back(connection: sqlite3.Connection, namespace: str, linkers: Iterable[str]) -> None:
    """Names that were settled before anything was called so are unread again, where these linkers mention them."""
    # by that index: SQLite would look at all names that are announced, for every batch
    query = """SELECT entity.id, entity.key
               FROM graph_announced AS announced INDEXED BY graph_announced_settled CROSS JOIN graph_entity AS entity
               ON entity.namespace = announced.namespace AND entity.key = announced.key
               WHERE announced.namespace = ? AND announced.linker = ? AND announced.settled"""
    for linker in linkers:
        found = connection.execute(query, (namespace, linker)).fetchall()
        _mark_unread(connection, namespace, [entity for entity, _ in found])
        connection.executemany(
            "UPDATE graph_announced SET settled = 0 WHERE namespace = ? AND key = ?",
            [(namespace, key) for _, key in found],
        )


def link_records(connection: sqlite3.Connection, namespace: str, records: Sequence[Record]) -> None:
    names = {(record.collection, record.id): record_names(record) for record in records}
    entities = _entity_ids(connection, namespace, [entity for found in names.values() for entity in found.values()])
    touched: set[int] = set()
    for (collection, key), found in names.items():
        record = _record_id(connection, namespace, collection, key)
        _mark_unread(connection, namespace, [entities[entity.id] for entity in found.values()])
        gone = connection.execute("DELETE FROM graph_record_name WHERE record = ? RETURNING entity", (record,))
        touched.update(entity for (entity,) in gone.fetchall())
        connection.executemany(
            "INSERT INTO graph_record_name VALUES (?, ?, ?)",
            [(entities[entity.id], record, field) for field, entity in found.items()],
        )
    _mark_unread(connection, namespace, touched)
    _drop_orphans(connection, touched)


def unlink_records(connection: sqlite3.Connection, namespace: str, records: Sequence[RecordKey]) -> None:
    touched: set[int] = set()
    for key in records:
        row = connection.execute(
            "SELECT id FROM graph_record WHERE namespace = ? AND collection = ? AND key = ?", (namespace, *key)
        ).fetchone()
        if row is not None:
            gone = connection.execute("DELETE FROM graph_record_name WHERE record = ? RETURNING entity", row)
            touched.update(entity for (entity,) in gone.fetchall())
            connection.execute("DELETE FROM graph_record WHERE id = ?", row)
    _mark_unread(connection, namespace, touched)
    _drop_orphans(connection, touched)


def _insert(connection: sqlite3.Connection, namespace: str, documents: Sequence[DocumentLinks]) -> None:
    """All of one kind at a time: a statement for each document takes as long again."""
    rows = list(enumerate(documents, _next_id(connection, "graph_document")))
    connection.executemany(
        "INSERT INTO graph_document (id, namespace, key, title) VALUES (?, ?, ?, ?)",
        [(id, namespace, document.document, document.title) for id, document in rows],
    )
    passages = [passage for document in documents for passage in document.passages]
    ids = {passage.passage: id for id, passage in enumerate(passages, _next_id(connection, "graph_passage"))}
    connection.executemany(
        "INSERT INTO graph_passage (id, namespace, key, document, position, linker) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (ids[passage.passage], namespace, passage.passage, id, position, document.linker or None)
            for id, document in rows
            for position, passage in enumerate(document.passages)
        ],
    )
    within = scope(namespace)
    connection.executemany(
        "INSERT INTO graph_text (rowid, scope, text) VALUES (?, ?, ?)",
        [(ids[passage.passage], within, passage.text) for passage in passages],
    )
    _name(connection, namespace, rows)
    _mention(connection, namespace, ids, passages)
    _resize(connection, namespace, len(passages))


def _name(connection: sqlite3.Connection, namespace: str, documents: Sequence[tuple[int, DocumentLinks]]) -> None:
    entities = _entity_ids(connection, namespace, [name for _, document in documents for name in document.names])
    _mark_unread(connection, namespace, entities.values())
    connection.executemany(
        "INSERT INTO graph_name (entity, document) VALUES (?, ?)",
        [(entities[name.id], id) for id, document in documents for name in document.names],
    )


def _next_id(connection: sqlite3.Connection, table: str) -> int:
    (last,) = connection.execute(f"SELECT max(id) FROM {table}").fetchone()
    return (last or 0) + 1


def _mention(
    connection: sqlite3.Connection, namespace: str, ids: dict[str, int], passages: Sequence[PassageLinks]
) -> None:
    mentions = {
        (ids[mention.passage], mention.entity): (mention.start, mention.end)
        for passage in passages
        for mention in reversed(passage.mentions)
    }
    entities = _entity_ids(
        connection,
        namespace,
        [entity for passage in passages for entity in passage.entities],
        Counter(entity for _, entity in mentions),
    )
    connection.executemany(
        "INSERT INTO graph_mention VALUES (?, ?, ?, ?)",
        [(passage, entities[entity], start, end) for (passage, entity), (start, end) in mentions.items()],
    )
    known = _known_ids(connection, namespace, list({name for passage in passages for name in passage.plain}))
    plain = {(ids[passage.passage], known[name]) for passage in passages for name in passage.plain if name in known}
    connection.executemany("INSERT INTO graph_plain VALUES (?, ?)", plain)
    _count(connection, "plain", Counter(entity for _, entity in plain))


def _unlink(connection: sqlite3.Connection, namespace: str, document: str, lost: "Lost") -> None:
    """Removes a document, and tells what was lost by it."""
    row = connection.execute(
        "SELECT id FROM graph_document WHERE namespace = ? AND key = ?", (namespace, document)
    ).fetchone()
    if row is None:
        return
    passages = [id for (id,) in connection.execute("SELECT id FROM graph_passage WHERE document = ?", row)]
    lost.edges.update(_forget_mentions(connection, passages))
    connection.executemany("DELETE FROM graph_text WHERE rowid = ?", [(id,) for id in passages])
    named = connection.execute("DELETE FROM graph_name WHERE document = ? RETURNING entity", row)
    lost.names.update(entity for (entity,) in named.fetchall())
    connection.execute("DELETE FROM graph_passage WHERE document = ?", row)
    connection.execute("DELETE FROM graph_document WHERE id = ?", row)
    _resize(connection, namespace, -len(passages))


def _forget_mentions(connection: sqlite3.Connection, passages: Iterable[int]) -> set[int]:
    touched: set[int] = set()
    for passage in passages:
        for table, column in (("graph_mention", "df"), ("graph_plain", "plain")):
            gone = connection.execute(
                f"DELETE FROM {table} WHERE passage = ? RETURNING entity",
                (passage,),
            )
            entities = [entity for (entity,) in gone.fetchall()]
            _count(connection, column, dict.fromkeys(entities, -1))
            touched.update(entities)
    return touched


def _count(connection: sqlite3.Connection, column: str, changes: Mapping[int, int]) -> None:
    connection.executemany(
        f"UPDATE graph_entity SET {column} = {column} + ? WHERE id = ?",
        [(change, entity) for entity, change in changes.items()],
    )


def _entity_ids(
    connection: sqlite3.Connection, namespace: str, entities: Iterable[Entity], counts: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Their ids, made where they are missing; `counts`: in how many more passages each is mentioned. A document's own
    spelling of its name wins."""
    counts = counts or {}
    told: dict[str, Entity] = {}
    for entity in entities:
        if entity.kind == "title" or entity.id not in told:
            told[entity.id] = entity
    ids = _known_ids(connection, namespace, list(told))
    connection.executemany(
        "UPDATE graph_entity SET name = ?2 WHERE id = ?1 AND name <> ?2",
        [(id, told[key].name) for key, id in ids.items() if told[key].kind == "title"],
    )
    _count(connection, "df", {id: counts[key] for key, id in ids.items() if key in counts})
    new = [entity for key, entity in told.items() if key not in ids]
    rows = list(enumerate(new, _next_id(connection, "graph_entity")))
    connection.executemany(
        "INSERT INTO graph_entity (id, namespace, key, name, df) VALUES (?, ?, ?, ?, ?)",
        [(id, namespace, entity.id, entity.name, counts.get(entity.id, 0)) for id, entity in rows],
    )
    return ids | {entity.id: id for id, entity in rows}


def _known_ids(connection: sqlite3.Connection, namespace: str, keys: Sequence[str]) -> dict[str, int]:
    """`keys`: each once."""
    rows = connection.execute(
        """SELECT entity.key, entity.id FROM json_each(?) AS asked CROSS JOIN graph_entity AS entity
           ON entity.namespace = ? AND entity.key = asked.value""",
        (json.dumps(keys), namespace),
    )
    return dict(rows.fetchall())


def _passage_ids(connection: sqlite3.Connection, namespace: str, passages: Sequence[PassageLinks]) -> dict[str, int]:
    rows = connection.execute(
        """SELECT key, id FROM graph_passage
           WHERE namespace = ? AND key IN (SELECT value FROM json_each(?))""",
        (namespace, json.dumps([passage.passage for passage in passages])),
    )
    return dict(rows.fetchall())


def _record_id(connection: sqlite3.Connection, namespace: str, collection: str, key: str) -> int:
    (id,) = connection.execute(
        """INSERT INTO graph_record (namespace, collection, key) VALUES (?, ?, ?)
           ON CONFLICT DO UPDATE SET key = excluded.key RETURNING id""",
        (namespace, collection, key),
    ).fetchone()
    return int(id)


def _mark_unread(connection: sqlite3.Connection, namespace: str, entities: Iterable[int]) -> None:
    """Those of the entities that nothing is called by: not yet, or not any more. Such an entity stays until its
    passages were read again: another linker may still take it for a name."""
    connection.executemany(
        """INSERT OR IGNORE INTO graph_unread
           SELECT :entity, :namespace
           WHERE NOT EXISTS (SELECT 1 FROM graph_name WHERE entity = :entity)
             AND NOT EXISTS (SELECT 1 FROM graph_record_name WHERE entity = :entity)""",
        [{"entity": entity, "namespace": namespace} for entity in entities],
    )


def _resize(connection: sqlite3.Connection, namespace: str, change: int) -> None:
    connection.execute(
        """INSERT INTO graph_size VALUES (?, ?)
           ON CONFLICT DO UPDATE SET passages = passages + excluded.passages""",
        (namespace, change),
    )


def _drop_orphans(connection: sqlite3.Connection, touched: Iterable[int]) -> None:
    connection.executemany(
        """DELETE FROM graph_entity WHERE id = ?1 AND df = 0 AND plain = 0
           AND NOT EXISTS (SELECT 1 FROM graph_name WHERE entity = ?1)
           AND NOT EXISTS (SELECT 1 FROM graph_record_name WHERE entity = ?1)
           AND NOT EXISTS (SELECT 1 FROM graph_unread WHERE entity = ?1)""",
        [(entity,) for entity in touched],
    )


def hub_of(connection: sqlite3.Connection, namespace: str) -> int:
    """In how many passages a name may stand and still tell something."""
    return hub_limit(passages(connection, namespace))


def passages(connection: sqlite3.Connection, namespace: str) -> int:
    row = connection.execute("SELECT passages FROM graph_size WHERE namespace = ?", (namespace,)).fetchone()
    return int(row[0]) if row else 0
