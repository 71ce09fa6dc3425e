"""What a data directory is called."""

import uuid
from contextlib import suppress

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
