"""The default embedder: WordLlama's static token vectors, averaged over a text. No key, no torch, no download.

The `wordllama` wheel carries a table of 32,000 x 256 float16 and its tokenizer; both are read as files. The package
itself is not imported: its loader looks for a download, and it changes the root logger. English; Dutch text is
embedded too, but what it finds leans on names.
"""

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from retrieval.embedders.checks import check_texts, check_vectors
from retrieval.embedders.tokenizer import read_tokenizer
from retrieval.embedders.wheels import package_directory
from retrieval.embedders.word_tokens import WordTokens
from retrieval.errors import Permanent
from retrieval.types import Vector

_WEIGHTS = "weights/l2_supercat_256.safetensors"
_TOKENIZER = "tokenizers/l2_supercat_tokenizer_config.json"
_BATCH = 256  # texts in one go off the loop


@dataclass(frozen=True, slots=True)
class _Weights:
    """`table` as float32 (33 MB): to widen float16 for each text takes three times as long as to add it up."""

    tokens: WordTokens
    table: npt.NDArray[np.float32]


class WordLlamaEmbedder:
    """`Embedder` over the wheel's files, which are loaded in a worker thread by the first call. Vectors have unit
    length. Threads are bounded by `threads`; `aclose` ends them."""

    name = "wordllama-l2-supercat-256"
    dimension = 256

    def __init__(self, *, threads: int = 1) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="wordllama")
        self._loading = threading.Lock()
        self._weights: _Weights | None = None

    async def embed(self, texts: Sequence[str]) -> list[Vector]:
        """Raises `InvalidText` before anything is computed, `Permanent` when the package's files are missing."""
        check_texts(texts)
        loop = asyncio.get_running_loop()
        vectors: list[Vector] = []
        for start in range(0, len(texts), _BATCH):
            batch = list(texts[start : start + _BATCH])
            vectors += await loop.run_in_executor(self._threads, self._embed, batch)
        check_vectors(vectors, count=len(texts), dimension=self.dimension)
        return vectors

    async def aclose(self) -> None:
        await asyncio.to_thread(self._threads.shutdown)

    def _embed(self, texts: list[str]) -> list[Vector]:
        weights = self._load()
        sums = np.empty((len(texts), self.dimension), np.float32)
        # One text at a time, so that its token vectors stay in the processor's cache: six times as fast as all at once.
        for total, ids in zip(sums, weights.tokens.of(texts), strict=True):
            weights.table.take(ids, axis=0).sum(axis=0, out=total)
        sums /= np.linalg.norm(sums, axis=1, keepdims=True)  # of the sum as of the mean
        return sums.tolist()

    def _load(self) -> _Weights:
        with self._loading:
            if self._weights is None:
                self._weights = _read(package_directory("wordllama"))
            return self._weights


def tokenizer_file() -> Path:
    """In the wheel. Raises `Permanent` when the package is not installed."""
    return package_directory("wordllama") / _TOKENIZER


def _read(package: Path) -> _Weights:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file  # 0.2 s: paid by the first text, not by every start

    try:
        (table,) = load_file(package / _WEIGHTS).values()
    except (OSError, SafetensorError, ValueError) as error:
        raise Permanent(f"the wordllama package lacks its weights: {error}") from error
    return _Weights(WordTokens(read_tokenizer(package / _TOKENIZER)), table.astype(np.float32))
