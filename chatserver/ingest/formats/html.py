"""A web page: what it says, as Markdown, without menus and footers."""

import re
from pathlib import Path
from typing import Final

import trafilatura

from chatserver.ingest.formats.parsed import Bounds, Parsed, Unreadable
from retrieval.types import Scalar

_CHARSET: Final = re.compile(
    rb"""<meta[^>]{0,200}?charset\s*=\s*["']?([\w.:-]{1,40})|<\?xml[^>]{0,200}?encoding=["']([\w.-]{1,40})""", re.I
)
_DECLARED: Final = 2_048
"""Where a page has to declare it, in bytes."""
_LANGUAGE: Final = re.compile(r"<html[^>]{0,500}?\slang\s*=\s*[\"']?([a-zA-Z]{2})\b", re.I)


def parse(path: Path, bounds: Bounds) -> Parsed:
    """Raises `Unreadable`, OSError."""
    page = _decoded(path.read_bytes())
    text = trafilatura.extract(
        page, output_format="markdown", include_formatting=True, include_comments=False, favor_recall=True
    )
    text = text or trafilatura.html2txt(page)
    if not text or not text.strip():
        raise Unreadable("empty_text", "the page says nothing")
    found = trafilatura.extract_metadata(page)
    metadata: dict[str, Scalar] = {}
    if language := _LANGUAGE.search(page[:4_096]):
        metadata["language"] = language[1].lower()
    if found is not None and found.author:
        metadata["author"] = found.author
    if found is not None and found.date:
        metadata["date"] = found.date
    return Parsed((found.title if found is not None else None) or "", text, metadata)


def _decoded(data: bytes) -> str:
    """By its byte order mark, else as it declares, else UTF-8; never by guessing."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        charset = "utf-16"
    elif data.startswith(b"\xef\xbb\xbf"):
        charset = "utf-8-sig"
    else:
        declared = _CHARSET.search(data[:_DECLARED])
        charset = (declared[1] or declared[2]).decode("ascii") if declared else "utf-8"
    if charset.lower() in {"iso-8859-1", "latin1", "latin-1", "ascii", "us-ascii"}:
        charset = "cp1252"  # as every browser reads these
    try:
        return data.decode(charset)
    except (LookupError, UnicodeDecodeError):
        raise Unreadable(
            "invalid_encoding", f"its bytes are not those of {charset}, as it declares or has to be"
        ) from None
