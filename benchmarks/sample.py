"""The repository's sample, ingested into a directory that lasts as long as the benchmark."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from chatserver.settings import Settings, Storage
from chatserver.wiring import open_knowledge

SAMPLE = Path(__file__).parents[1] / "examples" / "cooling-unit"
QUESTIONS = (
    "What does alarm A-41 mean?",
    "Which pump feeds E-301?",
    "Hoe start ik de koelunit na een storing?",
    "What is the remedy of FM-03, and how long does it take?",
)


@asynccontextmanager
async def ingested() -> AsyncIterator[Settings]:
    with TemporaryDirectory() as directory:
        settings = Settings(storage=Storage(data_dir=Path(directory)))
        async with open_knowledge(settings) as knowledge:
            await knowledge.ingestion.ingest_paths([SAMPLE])
        yield settings
