"""The names of the answer log's keys and channels in Redis. Pure.

One answer's keys share a hash tag, and so do one user's: every script and transaction touches one slot of a cluster.
    cs:{a:ANSWER}        hash: the answer's meta and marks
    cs:{a:ANSWER}:e      stream: a batch each, its id the head after it
    cs:{u:N:USER}:ask:…  string: the answer of an ask id
    cs:{u:N:USER}:chat:… list: the chat's answers in the order of their creation
    cs:{u:N:USER}:chats  sorted set: chats by the time of their last question
    cs:{u:N:USER}:titles hash: chat to its first question
    cs:due               sorted set: unsealed answers by when to look whether they can be claimed, 0 for queued ones
    cs:due:jobs          the same of jobs
    cs:stops:OWNER       set: answers that this owner may have to stop
    cs:format            string: what all this is the shape of, see `redis_format`
"""

import zlib
from typing import Final

from chatserver.answers.meta import is_job

NEWS: Final = "cs:news"
"""The channel of what every process must hear."""
RINGS: Final = 4096
"""Channels that appends ring on: an answer has one, a process listens to those of the answers that it tails."""


def meta_key(answer: str) -> str:
    return f"cs:{{a:{answer}}}"


def entries_key(answer: str) -> str:
    return f"cs:{{a:{answer}}}:e"


def user_key(user: str, *rest: str) -> str:
    """The length keeps users apart whose names hold braces and colons."""
    return ":".join((f"cs:{{u:{len(user)}:{user}}}", *rest))


def stops_key(owner: str) -> str:
    return f"cs:stops:{owner}"


def due_key(*, jobs: bool) -> str:
    return "cs:due:jobs" if jobs else "cs:due"


def due_key_of(answer: str) -> str:
    return due_key(jobs=is_job(answer))


def ring_channel(answer: str) -> str:
    return f"cs:ring:{zlib.crc32(answer.encode()) % RINGS}"


def due_member(asked_at: float, answer: str) -> str:
    """Sorts by the time of the question."""
    return f"{asked_at:020.6f}:{answer}"


def answer_of(member: bytes) -> str:
    """The answer of a `due_member`."""
    return member.decode().partition(":")[2]
