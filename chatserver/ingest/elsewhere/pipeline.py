"""Runs a job at its own data directory, wherever that is."""

from collections.abc import AsyncGenerator, Callable, Sequence

from chatserver.ingest.performing import IngestPipeline
from chatserver.pipeline.port import Question
from chatserver.protocol.chunks import Chunk, Citation

Far = Callable[[str, str], IngestPipeline]
"""Of the directory so called, whose content hashes name this space."""


class HomePipeline:
    """A `Pipeline`: jobs of this process's own directory, `home`, go by `own`, others by what `far` makes."""

    def __init__(self, home: str, own: IngestPipeline, far: Far) -> None:
        self._home = home
        self._own = own
        self._far = far

    def run(self, question: Question, told: Sequence[Chunk] = ()) -> AsyncGenerator[Chunk, None]:
        home = question.options.get("home", self._home)
        pipeline = self._own if home == self._home else self._far(home, question.options.get("space", ""))
        return pipeline.run(question, told)

    async def citations(self, question: Question, told: Sequence[Chunk], text: str) -> Sequence[Citation]:
        """A job tells no text."""
        return ()
