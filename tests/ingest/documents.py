"""Files of foreign formats, made here byte by byte or by the libraries that write them: sound ones and others."""

import io
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from docx import Document
from pypdf import PdfReader, PdfWriter

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Pump P-101</title>
<meta name="author" content="Ann Lee"><meta property="article:published_time" content="2025-03-04"></head><body>
<nav><ul><li><a href="/">Home</a></li><li><a href="/all">All pages</a></li></ul></nav>
<main><article><h1>Pump P-101</h1>
<p>Pump P-101 feeds the cooler of unit 7. It was replaced after a seal failure that Ann Lee found in the spring.</p>
<h2>Alarms</h2><p>A low pressure alarm stops the pump within two seconds; it has to be reset at the panel.</p>
</article></main><footer>Cookie settings</footer><script>alert("P-101")</script></body></html>"""


def pdf(pages: Sequence[str], *, pictures: bool = False) -> bytes:
    """A PDF of these lines of text, or of pages that only have a picture."""
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(len(pages)))
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>".encode(),
        b"<< /Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8 /Length 1 >>"
        b"\nstream\n\x80\nendstream"
        if pictures
        else b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for number, text in enumerate(pages):
        resource = "/XObject << /I 3 0 R >>" if pictures else "/Font << /F 3 0 R >>"
        lines = "".join(f"({line}) Tj T* " for line in text.split("\n"))
        drawn = "q 100 0 0 100 0 0 cm /I Do Q" if pictures else f"BT /F 12 Tf 14 TL 72 720 Td {lines}ET"
        content = f"{5 + 2 * number} 0 R"
        page = (
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {content} /Resources << {resource} >> >>"
        )
        objects += [page.encode(), _stream(drawn.encode())]
    return _file(objects)


def _stream(data: bytes, extra: bytes = b"") -> bytes:
    return b"<< /Length %d %s>>\nstream\n%s\nendstream" % (len(data), extra, data)


def _file(objects: Sequence[bytes]) -> bytes:
    out = io.BytesIO()
    out.write(b"%PDF-1.4\n")
    places = []
    for number, content in enumerate(objects, 1):
        places.append(out.tell())
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, content))
    start = out.tell()
    out.write(b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1))
    out.write(b"".join(b"%010d 00000 n \n" % place for place in places))
    out.write(b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start))
    return out.getvalue()


def swelling_pdf(size: int) -> bytes:
    """One page whose content is `size` blanks, packed a thousand times smaller."""
    sound = pdf(["x"])
    content = zlib.compress(b" " * size, 9)
    objects = [
        part.split(b"\nendobj")[0].split(b" 0 obj\n", 1)[1]
        for part in sound.split(b"xref")[0].split(b"\nendobj\n")[:-1]
    ]
    objects[-1] = _stream(content, b"/Filter /FlateDecode ")
    return _file(objects)


def encrypted_pdf() -> bytes:
    writer = PdfWriter(PdfReader(io.BytesIO(pdf(["a secret"]))))
    writer.encrypt("a password", algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def docx() -> bytes:
    document = Document()
    document.core_properties.title = "Manual of P-101"
    document.core_properties.author = "Ann Lee"
    document.add_heading("Pump P-101", 1)
    document.add_paragraph("Pump P-101 feeds the cooler of unit 7.")
    document.add_paragraph("close the valve", style="List Bullet")
    table = document.add_table(rows=2, cols=2)
    for row, cells in zip(table.rows, (("Code", "Meaning"), ("LP", "low pressure")), strict=True):
        for cell, text in zip(row.cells, cells, strict=True):
            cell.text = text
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def docx_titled(title: str, text: str) -> bytes:
    document = Document()
    document.core_properties.title = title
    document.add_paragraph(text)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def zip_bomb(size: int) -> bytes:
    """A Word document with a part of `size` zeros."""
    out = io.BytesIO(docx())
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/media/bomb.bin", bytes(size))
    return out.getvalue()


def encrypted_docx() -> bytes:
    """The head of the compound file that Office makes of one, and its directory's entry."""
    return b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1_000) + "EncryptedPackage".encode("utf-16-le") + bytes(500)


def write(root: Path, files: dict[str, bytes | str]) -> None:
    for name, data in files.items():
        (root / name).write_bytes(data.encode() if isinstance(data, str) else data)
