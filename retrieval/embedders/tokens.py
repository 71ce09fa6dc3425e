"""Counts tokens with the tokenizer that the default embedder's wheel carries: no download, no further package.

It is Llama's byte-pair vocabulary of 32,000. On this repository's own English, Dutch, JSON and Python it counts 14 to
36 % more than OpenAI's `o200k_base`, so that a budget kept by it is kept by that one too.
"""

import threading
from typing import Any

from retrieval.embedders.tokenizer import read_tokenizer
from retrieval.embedders.wordllama import tokenizer_file


class TokenCounter:
    """`count` of a text, for any thread. The tokenizer is read by the first call."""

    def __init__(self) -> None:
        self._loading = threading.Lock()
        self._tokenizer: Any = None

    def __call__(self, text: str) -> int:
        """Raises `Permanent` when the package's file is missing."""
        with self._loading:
            if self._tokenizer is None:
                self._tokenizer = read_tokenizer(tokenizer_file())
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)
