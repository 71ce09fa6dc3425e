"""Points in time of delivery, gathered and written to the log beside the answers, off the sending path."""

import asyncio

import structlog

from chatserver.answers.log import AnswerLog, LogUnavailable

log = structlog.get_logger(__name__)

_FLUSH_S = 0.5
_WAITING = 10_000
"""Answers whose marks may wait; beyond that, marks are dropped rather than memory grown."""


class Timeline:
    """`run` is a task of the connection manager."""

    def __init__(self, answers: AnswerLog) -> None:
        self._answers = answers
        self._waiting: dict[str, dict[str, float]] = {}
        self._noted = asyncio.Event()

    def note(self, answer: str, name: str, at: float) -> None:
        """Notes the first time of a name."""
        if answer in self._waiting or len(self._waiting) < _WAITING:
            self._waiting.setdefault(answer, {}).setdefault(name, at)
            self._noted.set()

    async def run(self) -> None:
        while True:
            await self._noted.wait()
            await asyncio.sleep(_FLUSH_S)
            await self.flush()

    async def flush(self) -> None:
        self._noted.clear()
        try:
            while self._waiting:
                answer, marks = self._waiting.popitem()
                await self._answers.mark(answer, marks)
        except LogUnavailable as error:
            log.warning("timeline not kept", error=str(error))
