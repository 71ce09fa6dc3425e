"""Finding and reading files."""

from pathlib import Path

import pytest

from chatserver.ingest.files import Lines, find
from chatserver.ingest.loaders import MAX_LINE


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("x")


def test_directories_are_walked_in_sorted_order(tmp_path: Path) -> None:
    """Names are paths below the directory; hidden files are left out, unknown endings are told."""
    write(tmp_path, "b.md", "a/z.txt", "a/B.MD", "c.png", "a/none", ".hidden.md", ".git/x.md")
    found = find([tmp_path])
    assert [source.name for source in found.sources] == ["a/B.MD", "a/z.txt", "b.md"]
    assert found.skipped == ("a/none", "c.png")
    assert found.problems == ()
    assert [source.size for source in found.sources] == [1, 1, 1]


def test_questions_are_no_knowledge(tmp_path: Path) -> None:
    """In the directory of a corpus the file of its questions is skipped; asked for by itself it is read, and told."""
    write(tmp_path, "passages.jsonl")
    (tmp_path / "questions.jsonl").write_text('{"id": "1", "question": "Who?", "gold": ["a"]}\n')
    found = find([tmp_path])
    assert ([source.name for source in found.sources], found.skipped) == (["passages.jsonl"], ("questions.jsonl",))
    assert [source.name for source in find([tmp_path / "questions.jsonl"]).sources] == ["questions.jsonl"]


def test_a_file_is_called_by_its_name(tmp_path: Path) -> None:
    """The same as below its directory."""
    write(tmp_path, "b.md")
    assert [source.name for source in find([tmp_path / "b.md"]).sources] == ["b.md"]


def test_what_does_not_exist_is_told(tmp_path: Path) -> None:
    """The other paths are found all the same."""
    write(tmp_path, "b.md")
    found = find([tmp_path / "gone", tmp_path])
    assert [problem.code for problem in found.problems] == ["not_found"]
    assert len(found.sources) == 1


@pytest.mark.parametrize("tail", [b"", b"\n", b"\nnext\n"])
def test_a_huge_line_is_cut_and_skipped(tmp_path: Path, tail: bytes) -> None:
    """One byte more than a line may have is handed on; the next line is whole; every byte counts as consumed."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"x" * (3 * MAX_LINE) + tail)
    lines = Lines(path)
    assert [len(line) for line in lines] == [MAX_LINE + 1] + [5] * (b"next" in tail)
    assert lines.consumed == path.stat().st_size
