"""The settings of ingestion."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from chatserver.settings.group import Group


class Ingest(Group):
    """Documents that come as jobs."""

    workers: int = Field(
        default=5,
        validation_alias="CHATSERVER_INGEST_WORKERS",
        ge=1,
        le=64,
        description="jobs that one process runs at the same time",
    )
    queue: int = Field(
        default=100,
        validation_alias="CHATSERVER_INGEST_QUEUE",
        ge=1,
        le=10_000,
        description="jobs that may wait; further ones are refused with the time to try again",
    )
    calls: int = Field(
        default=20,
        validation_alias="CHATSERVER_INGEST_CALLS",
        ge=1,
        le=1_000,
        description="calls for embeddings, and as many for metadata, that one process has under way",
    )
    batch: int = Field(
        default=128,
        validation_alias="CHATSERVER_INGEST_BATCH",
        ge=1,
        le=2_048,
        description="passages, of several documents, in one call for embeddings",
    )
    max_bytes: int = Field(
        default=256 * 1024 * 1024,
        validation_alias="CHATSERVER_INGEST_MAX_BYTES",
        ge=1024,
        description="a larger upload is refused",
    )
    metadata: Literal["rules", "model", "none"] = Field(
        default="rules",
        validation_alias="CHATSERVER_INGEST_METADATA",
        description="who tells language, keywords, names and dates of passages: `rules`, the `model` too, or `none`",
    )
    file_max_bytes: int = Field(
        default=64 * 1024 * 1024,
        validation_alias="CHATSERVER_FILE_MAX_BYTES",
        ge=1024,
        description="a larger HTML, PDF or Word file is left out",
    )
    file_max_pages: int = Field(
        default=2_000,
        validation_alias="CHATSERVER_FILE_MAX_PAGES",
        ge=1,
        description="a PDF of more pages is left out",
    )
    file_s: float = Field(
        default=60.0,
        validation_alias="CHATSERVER_FILE_S",
        gt=0,
        description="how long one of these files may take to be read, half of it of a processor's time",
    )
    file_memory: int = Field(
        default=1024 * 1024 * 1024,
        validation_alias="CHATSERVER_FILE_MEMORY",
        ge=256 * 1024 * 1024,
        description="bytes of memory that the process which reads one of them may have",
    )
    path_list: str = Field(
        default="",
        validation_alias="CHATSERVER_INGEST_PATHS",
        description="directories of the server's machine, with commas between, whose files a job may name",
    )

    @property
    def paths(self) -> tuple[Path, ...]:
        return tuple(Path(part.strip()) for part in self.path_list.split(",") if part.strip())
