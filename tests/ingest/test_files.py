"""Finding and reading files."""

import os
import shutil
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


def test_links_are_followed_once(tmp_path: Path) -> None:
    """Links to where they lie, or to each other, have an end; files are called by where they really are; what leads
    nowhere is told."""
    write(tmp_path, "corpus/real/a.md", "elsewhere/b.md")
    corpus = tmp_path / "corpus"
    for name, target in {"all": ".", "again": "real", "real/up": "..", "out": "../elsewhere"}.items():
        (corpus / name).symlink_to(target)
    for name, target in {"one.md": "two.md", "two.md": "one.md", "gone.md": "nowhere", "c.md": "real/a.md"}.items():
        (corpus / name).symlink_to(target)
    found = find([corpus])
    assert [source.name for source in found.sources] == ["c.md", "real/a.md", "out/b.md"]
    told = [("gone.md", "not_found"), ("one.md", "not_found"), ("two.md", "not_found")]
    assert [(problem.file, problem.code) for problem in found.problems] == told


def test_directories_that_are_linked_in_every_way_are_walked_once(tmp_path: Path) -> None:
    """A dozen that each lead to all others: as many files, not as many as there are ways."""
    names = [f"d{number:02}" for number in range(12)]
    write(tmp_path, *(f"{name}/{name}.md" for name in names))
    for name in names:
        for other in names:
            (tmp_path / name / f"to-{other}").symlink_to(f"../{other}")
    assert [source.name for source in find([tmp_path]).sources] == [f"{name}/{name}.md" for name in names]


def test_no_link_leads_out_of_what_is_allowed(tmp_path: Path) -> None:
    """Neither to a file nor to a directory, and each is told; links to where may be read are followed."""
    write(tmp_path, "allowed/here/a.md", "allowed/too/b.md", "secret/c.md", "d.md")
    here = tmp_path / "allowed" / "here"
    for name, target in {
        "dir": "../../secret",
        "file.md": "../../d.md",
        "fine": "../too",
        "self.md": "self.md",
    }.items():
        (here / name).symlink_to(target)
    found = find([here], [tmp_path / "allowed"])
    assert [source.name for source in found.sources] == ["a.md", "fine/b.md"]
    told = [("dir", "forbidden"), ("file.md", "forbidden"), ("self.md", "not_found")]
    assert sorted((problem.file, problem.code) for problem in found.problems) == told


def test_a_name_that_is_not_utf_8_is_told(tmp_path: Path) -> None:
    """Of a file, and of a file below such a directory; the others are found, whatever characters they have."""
    write(tmp_path, "b.md", "two\nlines.md")
    (tmp_path / os.fsdecode(b"caf\xe9")).mkdir()
    write(tmp_path, os.fsdecode(b"caf\xe9/a.md"), os.fsdecode(b"caf\xe9.pdf"), os.fsdecode(b"caf\xe9.bin"))
    found = find([tmp_path])
    assert [source.name for source in found.sources] == ["b.md", "two\nlines.md"]
    assert [(one.file, one.code) for one in found.problems] == [
        ("caf?/a.md", "invalid_name"),
        ("caf?.pdf", "invalid_name"),
    ]
    assert found.skipped == ("caf?.bin",)


def test_a_directory_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """One whose path is too long for the system, below what was asked for or asked for itself; the others are read."""
    write(tmp_path, "open/b.md")
    deep, long = "d" * 250, Path("x" * 300)
    at = os.open(tmp_path, os.O_RDONLY)
    for _ in range(20):
        os.mkdir(deep, dir_fd=at)
        at, above = os.open(deep, os.O_RDONLY, dir_fd=at), at
        os.close(above)
    os.close(at)
    found = find([tmp_path, long])
    shutil.rmtree(tmp_path / deep)  # by descriptors, as pytest may not
    assert [source.name for source in found.sources] == ["open/b.md"]
    assert [problem.code for problem in found.problems] == ["unreadable_file"] * 2
    assert [problem.file for problem in found.problems] == [found.problems[0].file, str(long)]
    assert set(found.problems[0].file.split("/")) == {deep}


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    """Whatever it is called: who reads it waits for ever."""
    os.mkfifo(tmp_path / "pipe.md")
    assert (find([tmp_path]).sources, find([tmp_path]).skipped) == ((), ("pipe.md",))


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """Of several directories: their documents have one id, and which of them is left out can be told."""
    write(tmp_path, "one/a.md", "two/a.md", "two/b.md")
    found = find([tmp_path / "one", tmp_path / "two"])
    named = [(source.name, source.file) for source in found.sources]
    assert named == [("a.md", "a.md"), ("a.md", "a.md (2)"), ("b.md", "b.md")]


@pytest.mark.parametrize("tail", [b"", b"\n", b"\nnext\n"])
def test_a_huge_line_is_cut_and_skipped(tmp_path: Path, tail: bytes) -> None:
    """One byte more than a line may have is handed on; the next line is whole; every byte counts as consumed."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"x" * (3 * MAX_LINE) + tail)
    lines = Lines(path)
    assert [len(line) for line in lines] == [MAX_LINE + 1] + [5] * (b"next" in tail)
    assert lines.consumed == path.stat().st_size
