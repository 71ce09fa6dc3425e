"""Which files are read, by their endings, and what their first bytes say against it. Pure."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final

PARSED: Final[Mapping[str, str]] = {".html": "html", ".htm": "html", ".xhtml": "html", ".pdf": "pdf", ".docx": "docx"}
"""Ending -> format: read whole, by a library, in a process of its own."""

HEAD: Final = 2_048
"""Bytes that tell what a file is."""

_ZIP: Final = b"PK\x03\x04"
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_MARKS: Final = (
    (b"%PDF-", "a PDF"),
    (_ZIP, "a ZIP archive or an Office document"),
    (_OLE, "an Office document of the old or the encrypted kind"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"GIF8", "a picture"),
    (b"\x1f\x8b", "compressed"),
    (b"\x7fELF", "a program"),
    (b"{\\rtf", "RTF"),
    (b"SQLite format 3\0", "a database"),
)
_WIDE: Final = (b"\xff\xfe", b"\xfe\xff")
_OWN: Final = {"pdf": ("a PDF",), "docx": (_MARKS[1][1], _MARKS[2][1])}


def format_of(name: str) -> str | None:
    """The format of a file that is parsed; None for one that is read line by line, or not at all."""
    return PARSED.get(PurePosixPath(name).suffix.lower())


def told_otherwise(name: str, head: bytes) -> str | None:
    """What a file is, when its first bytes show that its ending is wrong."""
    format = format_of(name)
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    shown = next((words for mark, words in _MARKS if start.startswith(mark)), None)
    if format in _OWN:
        found = shown or ("a web page" if _is_page(start) else "not " + _OWN[format][0])
        return None if found in _OWN[format] or (format == "pdf" and b"%PDF-" in head[:1024]) else found
    if shown is not None:
        return shown
    if b"\0" in head and not head.startswith(_WIDE):
        return "not text"
    return None


def _is_page(start: bytes) -> bool:
    return start[:15].lower().startswith((b"<!doctype html", b"<html"))
