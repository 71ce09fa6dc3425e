"""The tables of the answer log in SQLite, and how a row becomes a value."""

import sqlite3
from typing import Any

import orjson

from chatserver.answers.meta import AnswerMeta, NewAnswer
from chatserver.answers.states import AnswerState

MIGRATION = "answers-1"

SCHEMA = (
    """
    CREATE TABLE answers (
        key INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        epoch TEXT NOT NULL,
        user TEXT NOT NULL,
        chat TEXT NOT NULL,
        ask_id TEXT NOT NULL,
        text TEXT NOT NULL,
        asked_at REAL NOT NULL,
        namespace TEXT NOT NULL,
        filter TEXT,
        options TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'queued',
        generation INTEGER NOT NULL DEFAULT 0,
        owner TEXT,
        head INTEGER NOT NULL DEFAULT 0,
        acknowledged INTEGER NOT NULL DEFAULT -1,
        stop_requested INTEGER NOT NULL DEFAULT 0,
        lease_until REAL NOT NULL DEFAULT 0,
        UNIQUE (user, ask_id)
    )
    """,
    "CREATE INDEX answers_of_chat ON answers (user, chat, asked_at)",
    "CREATE INDEX answers_unsealed ON answers (asked_at) WHERE state IN ('queued', 'running')",
    # A row is a batch, not an entry: one insert for up to 32 entries, and the batch id sits beside what it made.
    """
    CREATE TABLE batches (
        answer INTEGER NOT NULL REFERENCES answers (key) ON DELETE CASCADE,
        head INTEGER NOT NULL,
        first INTEGER NOT NULL,
        id TEXT NOT NULL,
        entries BLOB NOT NULL,
        PRIMARY KEY (answer, head)
    ) WITHOUT ROWID
    """,
    # The machine's boot that last wrote here: after another one, text entries may have been lost.
    "CREATE TABLE boots (id TEXT NOT NULL)",
    """
    CREATE TABLE marks (
        answer INTEGER NOT NULL REFERENCES answers (key) ON DELETE CASCADE,
        name TEXT NOT NULL,
        at REAL NOT NULL,
        PRIMARY KEY (answer, name)
    ) WITHOUT ROWID
    """,
)

OWN_KEY_MIGRATION = "answers-2"
OWN_KEY = ("ALTER TABLE answers ADD COLUMN own_key INTEGER NOT NULL DEFAULT 0",)

# The newest first, a title for those of this page alone.
CHATS = """
    SELECT chat, (SELECT text FROM answers f WHERE f.user = ?1 AND f.chat = page.chat ORDER BY asked_at, key LIMIT 1),
        at, answers
    FROM (SELECT chat, max(asked_at) AS at, count(*) AS answers FROM answers WHERE user = ?1 AND chat <> ?2
          GROUP BY chat HAVING (at, chat) < (?3, ?4) ORDER BY at DESC, chat DESC LIMIT ?5) page"""

COLUMNS = (
    "id, epoch, user, chat, ask_id, text, asked_at, namespace, filter, options, own_key, "
    "state, generation, owner, head, acknowledged, stop_requested, lease_until"
)


def meta_of(row: tuple[Any, ...]) -> AnswerMeta:
    """A row of COLUMNS."""
    id, epoch, user, chat, ask_id, text, asked_at, namespace, filter, options, own_key, *rest = row
    state, generation, owner, head, acknowledged, stop_requested, lease_until = rest
    question = NewAnswer(
        answer=str(id),
        epoch=str(epoch),
        user=str(user),
        chat=str(chat),
        ask_id=str(ask_id),
        text=str(text),
        asked_at=float(asked_at),
        namespace=str(namespace),
        filter=None if filter is None else orjson.loads(filter),
        options=orjson.loads(options),
        own_key=bool(own_key),
    )
    return AnswerMeta(
        question=question,
        state=AnswerState(state),
        generation=int(generation),
        owner=owner,
        head=int(head),
        acknowledged=int(acknowledged),
        stop_requested=bool(stop_requested),
        lease_until=float(lease_until),
    )


def row_of(new: NewAnswer) -> tuple[object, ...]:
    """The values of a new question, in the order of COLUMNS' first eleven."""
    return (
        new.answer,
        new.epoch,
        new.user,
        new.chat,
        new.ask_id,
        new.text,
        new.asked_at,
        new.namespace,
        None if new.filter is None else orjson.dumps(new.filter).decode(),
        orjson.dumps(new.options).decode(),
        new.own_key,
    )


def one(db: sqlite3.Connection, where: str, values: tuple[object, ...]) -> AnswerMeta | None:
    """The answer that meets the condition, which is ours; its values are parameters."""
    row = db.execute(f"SELECT {COLUMNS} FROM answers WHERE {where}", values).fetchone()
    return meta_of(row) if row else None
