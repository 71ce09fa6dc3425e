"""A PDF: the text of its pages."""

import re
from pathlib import Path
from typing import Final

from pypdf import PdfReader
from pypdf.errors import FileNotDecryptedError, LimitReachedError, PyPdfError

from chatserver.ingest.formats.parsed import Bounds, Parsed, Unreadable
from retrieval.types import Scalar

_TAIL: Final = 4_096
_WRAPPED: Final = 0.7
"""Of the page's longest line: a line so long goes on in the next."""
_ENDS: Final = re.compile(r"[.:;!?…][)\]\"'”’]*$")


def parse(path: Path, bounds: Bounds) -> Parsed:
    """Raises `Unreadable`, OSError."""
    if b"%%EOF" not in path.read_bytes()[-_TAIL:]:
        raise Unreadable("damaged_file", "the file is broken off: its end is missing")
    try:
        return _read(PdfReader(path), bounds)
    except FileNotDecryptedError:
        raise _encrypted() from None
    except LimitReachedError:
        raise Unreadable("unpacks_too_large", "what it holds is too large when unpacked") from None
    except (PyPdfError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        raise Unreadable("damaged_file", "its structure can't be read as a PDF's") from None


def _read(reader: PdfReader, bounds: Bounds) -> Parsed:
    if reader.is_encrypted and not reader.decrypt(""):
        raise _encrypted()
    pages = len(reader.pages)
    if pages > bounds.pages:
        raise Unreadable("too_many_pages", f"{pages} pages; {bounds.pages} are read at most")
    texts = []
    size = 0
    for page in reader.pages:
        texts.append(unwrapped(page.extract_text()))
        size += len(texts[-1])
        if size > bounds.text:
            raise Unreadable("too_much_text", f"more than {bounds.text} characters of text")
    text = "\n\n".join(text for text in texts if text)
    if not text.strip():
        if any(page.images for page in reader.pages):
            raise Unreadable("scanned_only", "its pages are pictures without text: it has to be recognised (OCR) first")
        raise Unreadable("empty_text", "there is no text in it")
    return Parsed(*_named(reader, text, pages))


def _named(reader: PdfReader, text: str, pages: int) -> tuple[str, str, dict[str, Scalar]]:
    found = reader.metadata
    metadata: dict[str, Scalar] = {"pages": pages}
    if found is None:
        return "", text, metadata
    if found.author:
        metadata["author"] = str(found.author)
    try:
        date = found.creation_date
    except ValueError:  # not as the format has it
        date = None
    if date is not None:
        metadata["date"] = date.date().isoformat()
    return str(found.title or ""), text, metadata


def _encrypted() -> Unreadable:
    return Unreadable("encrypted", "it is encrypted: it can't be read without its password")


def unwrapped(page: str) -> str:
    """A page's lines as paragraphs: one that reaches the margin and ends no sentence goes on in the next."""
    lines = [line.strip() for line in page.splitlines()]
    longest = max(map(len, lines), default=0)
    text, goes_on = "", False
    for line in lines:
        if text.endswith("-") and text[-2:-1].isalpha() and line[:1].islower():
            text = text[:-1] + line
        elif goes_on and line:
            text += " " + line
        else:
            text += "\n" + line
        goes_on = len(line) >= _WRAPPED * longest and not _ENDS.search(line)
    return text.strip()
