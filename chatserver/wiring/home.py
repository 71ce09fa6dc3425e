"""What a data directory is called."""

import uuid

from chatserver.settings import Settings


def home_of(settings: Settings) -> str:
    """The data directory's own name, the same for all processes that share it."""
    file = settings.storage.data_dir / "home"
    try:
        with file.open("x", encoding="ascii") as made:
            made.write(uuid.uuid4().hex)
    except FileExistsError:
        pass
    return file.read_text("ascii")
