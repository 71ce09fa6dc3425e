"""A Word document: its paragraphs and tables as Markdown."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from docx import Document as open_document
from docx.document import Document
from docx.opc.exceptions import OpcError
from docx.table import Table
from docx.text.paragraph import Paragraph
from lxml.etree import XMLSyntaxError

from chatserver.ingest.formats.parsed import Bounds, Parsed, Unreadable
from retrieval.types import Scalar

_OLE: Final = b"\xd0\xcf\x11\xe0"
_ENCRYPTED_PACKAGE: Final = "EncryptedPackage".encode("utf-16-le")
_UNPACKED: Final = 8
"""Times the most text: what the archive may hold, pictures and all."""
_HEADING: Final = re.compile(r"heading ([1-6])", re.I)


def parse(path: Path, bounds: Bounds) -> Parsed:
    """Raises `Unreadable`, OSError."""
    _check(path, bounds)
    try:
        document = open_document(str(path))
        text = "\n\n".join(_blocks(document))
        return Parsed(*_named(document, text))
    except (OpcError, XMLSyntaxError, zipfile.BadZipFile, KeyError, ValueError, AttributeError):
        raise Unreadable("damaged_file", "its structure can't be read as a Word document's") from None


def _check(path: Path, bounds: Bounds) -> None:
    """Before anything is unpacked: an archive tells how large it will be, and holds no more than it tells."""
    with path.open("rb") as file:
        if file.read(len(_OLE)) == _OLE:
            if _ENCRYPTED_PACKAGE in file.read():
                raise Unreadable("encrypted", "it is encrypted: it can't be read without its password")
            raise Unreadable("wrong_type", "it is called .docx, but is an Office document of the old kind")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except zipfile.BadZipFile:
        raise Unreadable("damaged_file", "the file is broken off, or no Word document") from None
    if any(entry.flag_bits & 1 for entry in entries):
        raise Unreadable("encrypted", "it is encrypted: it can't be read without its password")
    if "word/document.xml" not in {entry.filename for entry in entries}:
        raise Unreadable("wrong_type", "it is called .docx, but there is no Word document in it")
    if sum(entry.file_size for entry in entries) > _UNPACKED * bounds.text:
        raise Unreadable("unpacks_too_large", "what it holds is too large when unpacked")


def _blocks(document: Document) -> Iterator[str]:
    for block in document.iter_inner_content():
        text = _paragraph(block) if isinstance(block, Paragraph) else _table(block)
        if text:
            yield text


def _paragraph(paragraph: Paragraph) -> str:
    text = " ".join(paragraph.text.split())
    style = (paragraph.style.name if paragraph.style is not None else None) or ""
    if text and style == "Title":
        return f"# {text}"
    if text and (heading := _HEADING.fullmatch(style)):
        return f"{'#' * int(heading[1])} {text}"
    return f"- {text}" if text and style.startswith("List") else text


def _table(table: Table) -> str:
    rows = [" | ".join(" ".join(cell.text.split()) for cell in row.cells) for row in table.rows]
    return "\n".join(row for row in rows if row.strip(" |"))


def _named(document: Document, text: str) -> tuple[str, str, dict[str, Scalar]]:
    if not text.strip():
        raise Unreadable("empty_text", "there is no text in it")
    found = document.core_properties
    metadata: dict[str, Scalar] = {}
    if found.author:
        metadata["author"] = found.author
    if date := found.modified or found.created:
        metadata["date"] = date.date().isoformat()
    return found.title, text, metadata
