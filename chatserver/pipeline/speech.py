"""The model's parts as entries: text with its marks checked, citations at its end, notices as they come. However the
model ends, what it said stays and the open text is closed."""

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing

import structlog

from chatserver.models.port import ModelError, ModelPart, NoticePart, TextPart, UsagePart
from chatserver.pipeline.citations import Marks, Source, citations
from chatserver.pipeline.deadline import Deadline, DeadlineExpired
from chatserver.protocol import chunks
from chatserver.protocol.chunks import Chunk

log = structlog.get_logger(__name__)

COMPLETED = "completed"
TIMED_OUT = "answer_timeout"
_PART = "text"
"""Id of an answer's one text part."""


class Speech:
    """One telling of a model's parts. `outcome`, `usage`, `first_text_at` and `dropped_marks` hold once it ended."""

    def __init__(self, sources: Sequence[Source], deadline: Deadline, clock: Callable[[], float]) -> None:
        self.outcome = COMPLETED
        self.usage: UsagePart | None = None
        self.first_text_at: float | None = None
        self._sources = sources
        self._deadline = deadline
        self._clock = clock
        self._marks = Marks(len(sources))
        self._shown: list[str] = []

    @property
    def text(self) -> str:
        """What was told so far."""
        return "".join(self._shown)

    @property
    def dropped_marks(self) -> int:
        return self._marks.dropped

    async def entries(self, parts: AsyncGenerator[ModelPart, None]) -> AsyncGenerator[Chunk, None]:
        try:
            async with aclosing(parts):
                while True:
                    part = await self._deadline.wait(anext(parts))
                    if self._shown and isinstance(part, TextPart):  # nearly always, and each call costs every token
                        if text := self._marks.feed(part.text):
                            self._shown.append(text)
                            yield chunks.text_delta(_PART, text)
                        continue
                    for chunk in self._told(part):
                        yield chunk
        except StopAsyncIteration:
            pass
        except DeadlineExpired:
            self.outcome = TIMED_OUT
        except ModelError as error:
            log.warning("model failed", code=error.code, error=str(error), temporary=error.temporary)
            self.outcome = error.code
        except Exception:
            log.exception("model broke")
            self.outcome = "internal"
        for chunk in self._ending():
            yield chunk

    def _told(self, part: ModelPart) -> Sequence[Chunk]:
        match part:
            case TextPart():
                return self._say(self._marks.feed(part.text))
            case NoticePart():
                return (chunks.data("notice", {"code": part.code, "message": part.message}),)
            case UsagePart():
                self.usage = part
        return ()

    def _say(self, text: str) -> Sequence[Chunk]:
        if not text:
            return ()
        delta = chunks.text_delta(_PART, text)
        self._shown.append(text)
        if len(self._shown) > 1:
            return (delta,)
        self.first_text_at = self._clock()
        return chunks.text_start(_PART), delta

    def _ending(self) -> Iterator[Chunk]:
        yield from self._say(self._marks.finish())
        if self._shown:
            yield chunks.text_end(_PART, citations(self.text, self._sources))
        elif self.outcome == COMPLETED:
            self.outcome = "model_empty"
