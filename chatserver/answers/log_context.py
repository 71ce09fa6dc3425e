"""What every line of the log says that comes from work on an answer, and what none may say. Pure."""

import hashlib
from contextvars import ContextVar
from typing import Final

import structlog

_question: ContextVar[str] = ContextVar("question", default="")

_ID_DIGITS: Final = 32


def begin_answer(answer: str) -> None:
    """From here on all lines of this task, and of the tasks that it starts, name the answer."""
    structlog.contextvars.bind_contextvars(answer=answer)


def name_question(chat: str, question: str) -> None:
    """And its chat; `question_of_task` tells the text, which an upstream's error may repeat."""
    structlog.contextvars.bind_contextvars(chat=chat)
    _question.set(question)


def name_caller(traceparent: str) -> None:
    """And the caller's trace in place of the answer's own; nothing for an empty one."""
    if traceparent:
        structlog.contextvars.bind_contextvars(trace=traceparent.split("-")[1])


def question_of_task() -> str:
    return _question.get()


def trace_of(answer: str) -> str:
    """The answer's trace, 32 hexadecimal digits, the same in every process: its own id where that is of such a form,
    else a digest of it."""
    if len(answer) == _ID_DIGITS and set(answer) <= set("0123456789abcdef") and answer.strip("0"):
        return answer
    return hashlib.sha256(answer.encode()).hexdigest()[:_ID_DIGITS]
