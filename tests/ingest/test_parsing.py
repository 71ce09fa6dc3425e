"""Files that a library reads, each in a process of its own: what comes out, and what a bad one costs."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from chatserver.ingest.files import Source, misnamed
from chatserver.ingest.formats.isolated import IsolatedParser
from chatserver.ingest.formats.parsed import Bounds, Parsed, Unreadable
from chatserver.ingest.formats.pdf import unwrapped
from chatserver.ingest.kinds import format_of
from tests.eventually import eventually
from tests.ingest import documents
from tests.processes import command_of

_PATIENCE_S = 60.0


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def parser() -> AsyncIterator[IsolatedParser]:
    parser = IsolatedParser(Bounds())
    yield parser
    await parser.aclose()


async def parsed(parser: IsolatedParser, path: Path, data: bytes | str) -> Parsed:
    documents.write(path.parent, {path.name: data})
    return await parser.parse(path, format_of(path.name) or "")


async def refusal(parser: IsolatedParser, path: Path, data: bytes | str) -> str:
    with pytest.raises(Unreadable) as refused:
        await parsed(parser, path, data)
    return refused.value.code


@pytest.mark.asyncio(loop_scope="module")
async def test_a_page_is_what_it_says(parser: IsolatedParser, tmp_path: Path) -> None:
    """As Markdown, without menu, footer and script; who wrote it when, and in which language, it says itself."""
    page = await parsed(parser, tmp_path / "pump.html", documents.PAGE)
    assert page.text.startswith("# Pump P-101\n\nPump P-101 feeds the cooler of unit 7.")
    assert "## Alarms" in page.text
    assert [word for word in ("All pages", "Cookie", "alert(") if word in page.text] == []
    assert page.title == "Pump P-101"
    assert page.metadata == {"language": "en", "author": "Ann Lee", "date": "2025-03-04"}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("declared", "charset"), [("windows-1252", "cp1252"), ("ISO-8859-1", "cp1252"), ("utf-8", "utf-8"), ("", "utf-16")]
)
async def test_a_page_is_read_as_it_declares(
    parser: IsolatedParser, tmp_path: Path, declared: str, charset: str
) -> None:
    """Or by its byte order mark."""
    page = f'<html><head><meta charset="{declared}"></head><body><p>Das Kühlwasser läuft über Ventil “7”.</p></body>'
    found = await parsed(parser, tmp_path / "k.html", page.encode(charset))
    assert "Kühlwasser läuft über Ventil “7”" in found.text


@pytest.mark.asyncio(loop_scope="module")
async def test_a_pdf_is_the_text_of_its_pages(parser: IsolatedParser, tmp_path: Path) -> None:
    """In their order, with their number."""
    found = await parsed(parser, tmp_path / "a.pdf", documents.pdf(["Pump P-101 feeds\nunit 7.", "Valve V-2."]))
    assert found.text == "Pump P-101 feeds unit 7.\n\nValve V-2."
    assert found.metadata == {"pages": 2}


@pytest.mark.asyncio(loop_scope="module")
async def test_a_word_document_is_markdown(parser: IsolatedParser, tmp_path: Path) -> None:
    """Headings, lists and tables stay what they are."""
    found = await parsed(parser, tmp_path / "a.docx", documents.docx())
    assert found.text == (
        "# Pump P-101\n\nPump P-101 feeds the cooler of unit 7.\n\n- close the valve\n\n"
        "Code | Meaning\nLP | low pressure"
    )
    assert (found.title, found.metadata["author"]) == ("Manual of P-101", "Ann Lee")


# Made when they are needed: two of them take seconds and hundreds of megabytes.
BAD: dict[str, tuple[str, Callable[[], bytes | str]]] = {
    "an encrypted PDF": ("encrypted", documents.encrypted_pdf),
    "a PDF broken off": ("damaged_file", lambda: documents.pdf(["x" * 500])[:-200]),
    "a PDF of noise": ("damaged_file", lambda: b"%PDF-1.4\n" + bytes(range(256)) * 8 + b"%%EOF"),
    "a PDF of pictures": ("scanned_only", lambda: documents.pdf(["", ""], pictures=True)),
    "a PDF of empty pages": ("empty_text", lambda: documents.pdf(["", ""])),
    "a PDF of too many pages": ("too_many_pages", lambda: documents.pdf(["x"] * 2_001)),
    "a PDF that swells": ("unpacks_too_large", lambda: documents.swelling_pdf(400 * 1024 * 1024)),
    "a page without words": ("empty_text", lambda: "<html><body><script>x</script></body></html>"),
    "a page of two encodings": (
        "invalid_encoding",
        lambda: '<meta charset="utf-8"><p>Käse '.encode() + "Käse".encode("cp1252"),
    ),
    "a page of no encoding": ("invalid_encoding", lambda: '<meta charset="klingon"><p>Käse'),
    "an encrypted DOCX": ("encrypted", documents.encrypted_docx),
    "an old DOC": ("wrong_type", lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1_000)),
    "a DOCX broken off": ("damaged_file", lambda: documents.docx()[:-300]),
    "a DOCX that swells": ("unpacks_too_large", lambda: documents.zip_bomb(300 * 1024 * 1024)),
}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_file_is_told_apart(parser: IsolatedParser, tmp_path: Path, kind: str) -> None:
    """Each has a code of its own, and the next file is read."""
    code, made = BAD[kind]
    ending = next(ending for word, ending in (("PDF", "pdf"), ("DOC", "docx"), ("page", "html")) if word in kind)
    assert await refusal(parser, tmp_path / f"bad.{ending}", made()) == code
    assert (await parsed(parser, tmp_path / "good.html", documents.PAGE)).title == "Pump P-101"


@pytest.mark.asyncio(loop_scope="module")
async def test_a_page_nested_without_end_ends(parser: IsolatedParser, tmp_path: Path) -> None:
    """Read or refused: its reader is not ours to lose."""
    with suppress(Unreadable):
        await parsed(parser, tmp_path / "deep.html", "<div>" * 200_000 + "deep")
    assert (await parsed(parser, tmp_path / "good.html", documents.PAGE)).title == "Pump P-101"


async def test_a_large_file_is_not_opened(tmp_path: Path) -> None:
    """Its size says enough."""
    parser = IsolatedParser(Bounds(size=1_000))
    assert await refusal(parser, tmp_path / "a.html", "x" * 1_001) == "file_too_large"
    await parser.aclose()


async def test_a_file_that_hangs_is_ended(tmp_path: Path) -> None:
    """After its time, its process with it."""
    os.mkfifo(tmp_path / "hangs.html")  # whoever opens it waits for a writer who never comes
    parser = IsolatedParser(Bounds(seconds=0.2))
    with pytest.raises(Unreadable) as refused:
        await parser.parse(tmp_path / "hangs.html", "html")
    assert refused.value.code == "too_slow"
    assert [child for reader in _readers() for child in reader.children()] == []
    await parser.aclose()
    assert _readers() == []


async def test_a_file_may_not_take_all_memory(tmp_path: Path) -> None:
    """What the machine has is not what one file may have."""
    parser = IsolatedParser(Bounds(memory=300 * 1024 * 1024))
    assert await refusal(parser, tmp_path / "a.html", b"<p>" + b"<b>x</b>" * 2_000_000) in {
        "too_complex",
        "damaged_file",
        "empty_text",
    }
    await parser.aclose()


@pytest.mark.parametrize("victim", ["the file's process", "the reader"])
async def test_a_crash_costs_one_file(tmp_path: Path, victim: str) -> None:
    """Whichever process dies."""
    os.mkfifo(tmp_path / "hangs.html")
    parser = IsolatedParser(Bounds())
    reading = asyncio.create_task(parser.parse(tmp_path / "hangs.html", "html"))
    (process,) = await _forks()
    os.kill(process.pid if victim == "the file's process" else process.ppid(), signal.SIGSEGV)
    with pytest.raises(Unreadable) as refused:
        await reading
    assert refused.value.code == "parser_crashed"
    assert (await parsed(parser, tmp_path / "good.html", documents.PAGE)).title == "Pump P-101"
    await parser.aclose()
    if victim == "the reader":
        process.kill()  # it hangs on, without anybody to end it before its time


async def test_a_cancelled_job_leaves_no_process(tmp_path: Path) -> None:
    """What it had read is ended with it."""
    os.mkfifo(tmp_path / "hangs.html")
    parser = IsolatedParser(Bounds())
    reading = asyncio.create_task(parser.parse(tmp_path / "hangs.html", "html"))
    (process,) = await _forks()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await eventually(lambda: not process.is_running(), within_s=_PATIENCE_S)
    await parser.aclose()


async def test_a_reader_knows_no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads a hostile file has nothing of ours in its environment."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-ours")
    parser = IsolatedParser(Bounds())
    await parsed(parser, tmp_path / "good.html", documents.PAGE)
    (reader,) = _readers()
    assert "OPENAI_API_KEY" not in reader.environ()
    await parser.aclose()


def _readers() -> list[psutil.Process]:
    """Of this test; the module's own parser has one too, which no file is being read by."""
    mine = psutil.Process().children()
    command = "chatserver.ingest.formats.process"
    return [child for child in mine if command in command_of(child) and child not in _EARLIER]


_EARLIER: set[psutil.Process] = set()


@pytest.fixture(autouse=True)
def earlier() -> None:
    _EARLIER.clear()
    _EARLIER.update(_readers())


async def _forks() -> list[psutil.Process]:
    forks: list[psutil.Process] = []

    def forked() -> bool:
        forks[:] = [child for reader in _readers() for child in reader.children()]
        return bool(forks)

    await eventually(forked, within_s=_PATIENCE_S)
    return forks


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.txt", documents.pdf(["x"]), "wrong_type"),
        ("a.md", b"\x89PNG\r\n", "wrong_type"),
        ("a.csv", documents.docx(), "wrong_type"),
        ("a.jsonl", b'{"a": "\0\0"}', "wrong_type"),
        ("a.pdf", b"plain words", "wrong_type"),
        ("a.pdf", b"<!DOCTYPE html><p>x", "wrong_type"),
        ("a.docx", b"%PDF-1.7", "wrong_type"),
        ("a.html", documents.docx(), "wrong_type"),
        ("a.md", b"", "empty_file"),
        ("a.pdf", b"", "empty_file"),
        ("a.md", "# Käse".encode(), None),
        ("a.txt", "Käse".encode("utf-16"), None),
        ("a.pdf", b"\xef\xbb\xbf\n%PDF-1.4", None),
        ("a.html", documents.PAGE.encode(), None),
    ],
)
def test_an_ending_that_lies_is_told(tmp_path: Path, name: str, data: bytes, code: str | None) -> None:
    """By the file's first bytes, before it is read."""
    (tmp_path / name).write_bytes(data)
    problem = misnamed(Source(tmp_path / name, name, len(data)))
    assert (problem.code if problem else None) == code


def test_lines_of_a_page_become_paragraphs() -> None:
    """A line that reaches the margin goes on in the next, a short one or one that ends a sentence does not."""
    page = "Pump P-101\nThe pump of unit seven feeds the cool-\ning water line, which is ten metres\nlong.\nSee also:\n"
    assert unwrapped(page) == (
        "Pump P-101\nThe pump of unit seven feeds the cooling water line, which is ten metres long.\nSee also:"
    )
