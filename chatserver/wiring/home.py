"""What a data directory is called, and where its servers keep what does not lie in it."""

import os
import uuid
from contextlib import suppress

from chatserver.ingest.inputs import OtherStores
from chatserver.settings import Settings


def home_of(settings: Settings) -> str:
    """The data directory's own name, the same for all processes that share it: that of whoever came first."""
    file = settings.storage.data_dir / "home"
    if not file.exists():
        name = uuid.uuid4().hex
        made = file.with_name(f"home.{name}")
        made.write_text(name, "ascii")
        with suppress(FileExistsError):
            file.hardlink_to(made)  # appears whole, or not at all
        made.unlink()
    return file.read_text("ascii")


def stores_of(settings: Settings) -> str:
    """Where vectors and graph are kept, in words; two that differ are other stores."""
    pinecone, neo4j = settings.pinecone, settings.neo4j
    index = f"Pinecone's index {pinecone.index_name or pinecone.host}" if pinecone.api_key else "the data directory"
    graph = f"{neo4j.uri} ({neo4j.database})" if neo4j.uri else "the data directory"
    return f"vectors in {index}, graph in {graph}"


def record_stores(settings: Settings) -> None:
    """By each server that starts, for the workers that share its data directory. Blocks."""
    file, mine = settings.storage.data_dir / "stores", stores_of(settings)
    if not file.exists() or file.read_text() != mine:
        made = file.with_name(f"stores.{uuid.uuid4().hex}")
        made.write_text(mine)
        os.replace(made, file)


def check_stores(settings: Settings) -> None:
    """What a worker stored elsewhere no search of the directory's servers would find. Raises `OtherStores`. Blocks."""
    file, mine = settings.storage.data_dir / "stores", stores_of(settings)
    with suppress(FileNotFoundError):
        if (theirs := file.read_text()) != mine:
            raise OtherStores(f"the servers of {file.parent} have {theirs}; this worker would have {mine}")
