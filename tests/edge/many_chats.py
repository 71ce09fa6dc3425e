"""A user with more chats than anybody reads, written straight into the file of the answer log."""

import sqlite3
from contextlib import closing
from pathlib import Path

_ROW = """
    INSERT INTO answers (id, epoch, user, chat, ask_id, text, asked_at, namespace, options, state)
    VALUES (?, 'e1', ?, ?, ?, ?, ?, '', '{}', 'stopped')"""


def add_chats(data_dir: Path, user: str, count: int) -> list[str]:
    """Their names, the last used first; an answer each, asked a second after the one before."""
    chats = [f"{user}-{number}" for number in range(count)]
    rows = [
        (f"answer-{chat}", user, chat, f"ask-{chat}", f"Question {number}?", 1_000.0 + number)
        for number, chat in enumerate(chats)
    ]
    with closing(sqlite3.connect(data_dir / "answers.db", timeout=60)) as db, db:
        db.executemany(_ROW, rows)
    return chats[::-1]
