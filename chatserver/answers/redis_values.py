"""What lies under the answer log's keys in Redis, read and written: a question and its meta, entries, marks. Pure."""

import zlib
from collections.abc import Sequence
from typing import Any, Final

import orjson

from chatserver.answers.meta import AnswerMeta, NewAnswer
from chatserver.answers.states import AnswerState

META: Final = ("q", "e", "s", "g", "o", "h", "a", "t", "l")
"""Question, epoch, state, generation, owner, head, acknowledged, stop requested, lease until."""
MARK: Final = "m:"


def question_blob(new: NewAnswer) -> bytes:
    return orjson.dumps(
        [
            new.answer,
            new.user,
            new.chat,
            new.ask_id,
            new.text,
            new.asked_at,
            new.namespace,
            new.filter,
            new.options,
            new.own_key,
        ]
    )


def meta_of(values: Sequence[Any] | None) -> AnswerMeta | None:
    """The values of META; None when there is no such hash."""
    if values is None or values[0] is None:
        return None
    blob, epoch, state, generation, owner, head, acknowledged, stop, lease = values
    answer, user, chat, ask_id, text, asked_at, namespace, filter, options, *later = orjson.loads(blob)
    return AnswerMeta(
        question=NewAnswer(
            answer=answer,
            epoch=epoch.decode(),
            user=user,
            chat=chat,
            ask_id=ask_id,
            text=text,
            asked_at=asked_at,
            namespace=namespace,
            filter=filter,
            options=options,
            own_key=bool(later and later[0]),  # a node of an older version has not written it
        ),
        state=AnswerState(state.decode()),
        generation=int(generation),
        owner=owner.decode() if owner else None,
        head=int(head),
        acknowledged=int(acknowledged),
        stop_requested=stop == b"1",
        lease_until=float(lease),
    )


def entries_of(batches: Sequence[Any], first: int, limit: int) -> list[bytes]:
    """The entries from seq `first` on of stream entries that hold it."""
    entries: list[bytes] = []
    for id, fields in batches:
        compact = fields[2] == b"z"
        batch = (zlib.decompress(fields[3]) if compact else fields[3]).split(b"\n")
        batch_first = int(id.partition(b"-")[0]) - len(batch)
        if batch_first > first + len(entries):
            break  # a hole
        entries += batch[max(0, first - batch_first) :]
        if len(entries) >= limit:
            return entries[:limit] if compact else entries
    return entries


def marks_of(values: Sequence[bytes]) -> dict[str, float]:
    """The marks among all names and values of the hash, the earliest first."""
    pairs = zip(values[::2], values[1::2], strict=True)
    marks = {name.decode().removeprefix(MARK): float(at) for name, at in pairs if name.startswith(MARK.encode())}
    return dict(sorted(marks.items(), key=lambda mark: mark[1]))
