"""Corpora with questions for the benchmarks of retrieval: read, merged into one, grown by synthetic copies."""

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice
from pathlib import Path
from typing import TypeAlias

Row: TypeAlias = dict[str, str]

_WORD = re.compile(r"[^\W\d_]+")
_ALIKE = 64  # words of nearly the same frequency, which take each other's places in a copy


@dataclass(frozen=True, slots=True)
class Question:
    text: str
    gold: frozenset[str]


@dataclass(frozen=True, slots=True)
class Corpus:
    """A file of documents, and the sets of questions that are asked of it, by name."""

    name: str
    file: Path
    sets: Mapping[str, Sequence[Question]]


def corpus_of(directory: Path) -> Path:
    """The corpus that a directory's questions are asked of: its own, or for `NAME_single` that of `NAME_train`."""
    own = directory / "corpus.jsonl"
    return own if own.exists() else directory.with_name(directory.name.replace("_single", "_train")) / own.name


def read_questions(directory: Path) -> list[Question]:
    with (directory / "questions.jsonl").open() as lines:
        rows = [json.loads(line) for line in lines]
    return [Question(row["question"], frozenset(row["gold"])) for row in rows]


def corpora(directories: Sequence[Path]) -> list[Corpus]:
    """Each corpus once, with all its sets."""
    sets: dict[Path, dict[str, Sequence[Question]]] = {}
    for directory in directories:
        sets.setdefault(corpus_of(directory), {})[directory.name] = read_questions(directory)
    return [Corpus(file.parent.name, file, asked) for file, asked in sets.items()]


def merged(parts: Sequence[Corpus], file: Path) -> Corpus:
    """All of them as one, written to `file`; ids carry the name of the corpus that they are from."""

    def id_in(part: Corpus) -> Callable[[str], str]:
        return lambda id: f"{part.name}.{id}"

    _write(file, (row | {"id": id_in(part)(row["id"])} for part in parts for row in _rows(part.file)))
    sets = {
        name: [Question(one.text, frozenset(map(id_in(part), one.gold))) for one in questions]
        for part in parts
        for name, questions in part.sets.items()
    }
    return Corpus("merged", file, sets)


def grown(corpus: Corpus, size: int, file: Path) -> Corpus:
    """The first `size` documents of the corpus and of copies of it in other names. In each copy every word that is
    only ever written with a capital gives way to another one of about its frequency, the same one throughout: titles,
    mentions and links are as many as in the original and lead to other things, common words are as common. What such
    a base is like: near twins of every passage, which all but names fit as well as the gold does."""
    rows = list(_rows(corpus.file))
    copies = (copy for number in count(1) for copy in _renamed(rows, number))
    _write(file, islice(chain(rows, copies), size))
    return Corpus(f"{corpus.name} {size}", file, corpus.sets)


def _renamed(rows: Sequence[Row], number: int) -> Iterator[Row]:
    texts = [f"{row['title']}\n{row['text']}" for row in rows]
    counts = Counter(word for text in texts for word in _WORD.findall(text))
    names = [word for word in counts if word[0].isupper() and len(word) > 1 and word.lower() not in counts]
    generator = random.Random(number)
    other: dict[str, str] = {}
    names.sort(key=lambda word: (-counts[word], word))
    for start in range(0, len(names), _ALIKE):
        alike = names[start : start + _ALIKE]
        other.update(zip(alike, generator.sample(alike, len(alike)), strict=True))

    def renamed(text: str) -> str:
        return _WORD.sub(lambda match: other.get(match[0], match[0]), text)

    for row in rows:
        yield {"id": f"{row['id']}~{number}", "title": renamed(row["title"]), "text": renamed(row["text"])}


def _rows(file: Path) -> Iterator[Row]:
    with file.open() as lines:
        for line in lines:
            row = json.loads(line)
            yield {key: row[key] for key in ("id", "title", "text")}


def _write(file: Path, rows: Iterable[Row]) -> None:
    with file.open("w") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)
