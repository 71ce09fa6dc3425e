"""SQLite's errors as those of the ports."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from retrieval.errors import InvalidText, Permanent, Temporary


@contextmanager
def typed_errors() -> Iterator[None]:
    """A locked, full or unreadable file is `Temporary`, a broken rule of the schema `Permanent`, a text that is not
    Unicode `InvalidText`."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise Temporary(f"sqlite: {error}") from error
    except sqlite3.Error as error:
        raise Permanent(f"sqlite: {error}") from error
    except UnicodeEncodeError as error:
        raise InvalidText("a text is not valid Unicode") from error
