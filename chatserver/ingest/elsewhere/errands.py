"""What a worker on another machine has done at a data directory: the port, and each errand's words.

Contract of `Errands`, checked by `tests/contracts/test_errands.py`
    Told        `ask` gives what the directory's keeper has answered, however large either is, up to `LARGEST`.
    Refused     What the keeper's stores raise is raised again: `Temporary`, or `Permanent` with the same code.
    Away        `Temporary` (`directory_away`) when nobody has taken the errand, or who took it has fallen silent.
    Again       An errand may then have been done, or be done by who comes back: so each is such that doing it again
                changes nothing, and one that was given up is not begun any more.
"""

from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from chatserver.ingest.ledger import Note
from graph.types import DocumentLinks, PassageLinks, Record, Unread, Whole
from retrieval.errors import InvalidText, Permanent, Temporary

Asked = TypeVar("Asked")
Told = TypeVar("Told")

LARGEST: Final = 64 << 20
"""Bytes of one errand or answer: they lie in Redis until they are read. A document of 20 MB is within it."""
BLOCK: Final = 1 << 20
"""Bytes of a file that are read in one go."""


class DirectoryAway(Temporary):
    """Nobody does errands at the data directory now."""

    code = "directory_away"


class TooLarge(Permanent):
    """An errand of more than `LARGEST` bytes: a document for a worker that shares the directory."""

    code = "document_too_large"


class Refused(Permanent):
    """What a store of the data directory has refused, by its code."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class Errands(Protocol):
    async def ask(self, home: str, errand: str, body: bytes) -> bytes:
        """Raises `RetrievalError`."""


@dataclass(frozen=True, slots=True)
class Given:
    """A file of a job: the `root`th of the paths that the job was given, and its name below that."""

    root: int
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Fault:
    """A `chatserver.ingest.report.Problem` of a path."""

    code: str
    message: str
    file: str


@dataclass(frozen=True, slots=True)
class Listing:
    """What a job was given."""

    files: tuple[Given, ...]
    skipped: tuple[str, ...]
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class Errand(Generic[Asked, Told]):
    """A name, and what goes there and back, as JSON; bytes in base64."""

    name: str
    asked: TypeAdapter[Asked]
    told: TypeAdapter[Told]

    def written(self, asked: Asked) -> bytes:
        """Raises `InvalidText`, `TooLarge`."""
        try:
            body = self.asked.dump_json(asked)
        except (PydanticSerializationError, UnicodeEncodeError) as error:
            raise InvalidText("a text is not valid Unicode") from error
        if len(body) > LARGEST:
            raise TooLarge(f"{len(body)} bytes are too many for a worker on another machine")
        return body

    def read(self, body: bytes) -> Asked:
        """Raises `Refused`: another version's."""
        try:
            return self.asked.validate_json(body)
        except ValidationError as error:
            raise Refused("invalid_errand", f"{self.name}: {error.error_count()} faults") from error


_BYTES = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")
_NOTHING: TypeAdapter[None] = TypeAdapter(None)

HASHES = Errand("hashes", TypeAdapter(tuple[list[str], str]), TypeAdapter(dict[str, str]))
STORE = Errand("store", TypeAdapter(tuple[list[Whole], list[list[bytes]], str], config=_BYTES), _NOTHING)
"""The vectors, packed, lie beside their wholes, which have none."""
REMOVE = Errand("remove", TypeAdapter(tuple[list[str], str]), TypeAdapter(list[str]))
LINK = Errand("link", TypeAdapter(tuple[list[DocumentLinks], str]), _NOTHING)
LINK_RECORDS = Errand("link_records", TypeAdapter(tuple[list[Record], str]), _NOTHING)
NAMES = Errand("names", TypeAdapter(str), TypeAdapter(list[str]))
UNREAD = Errand("unread", TypeAdapter(tuple[int, str]), TypeAdapter(tuple[list[str], list[Unread]]))
RELINK = Errand("relink", TypeAdapter(tuple[list[PassageLinks], list[str], str]), _NOTHING)
UNSETTLE = Errand("unsettle", TypeAdapter(tuple[list[str], str]), _NOTHING)
PUT_RECORDS = Errand("put_records", TypeAdapter(tuple[list[Record], str]), _NOTHING)
SETTLE = Errand("settle", TypeAdapter(str), _NOTHING)
LOAD = Errand("load", TypeAdapter(list[str]), TypeAdapter(dict[str, bytes], config=_BYTES))
SAVE = Errand("save", TypeAdapter(dict[str, bytes], config=_BYTES), _NOTHING)
DISCARD = Errand("discard", TypeAdapter(list[str]), _NOTHING)
NOTE = Errand("note", TypeAdapter(tuple[str, list[Note]]), TypeAdapter(list[Note]))
END = Errand("end", TypeAdapter(str), _NOTHING)
SCRUB = Errand("scrub", _NOTHING, _NOTHING)
MEASURED = Errand("measured", TypeAdapter(tuple[int, float]), _NOTHING)
SPEED = Errand("speed", _NOTHING, TypeAdapter(float | None))
LIST = Errand("list", TypeAdapter(dict[str, Any]), TypeAdapter(Listing))
READ = Errand("read", TypeAdapter(tuple[dict[str, Any], int, str, int]), TypeAdapter(bytes, config=_BYTES))
