"""The tokens of texts, looked up word by word."""

from collections.abc import Collection, Sequence
from itertools import chain, pairwise
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

Ids: TypeAlias = npt.NDArray[np.uint32]

_MARK: Final = "\u2581"  # stands for a space in tokens
_KEPT: Final = 131_072
"""Words, some 25 MB. Half of them were too few for 25,000 passages: what a full dictionary forgot was made again, which
took a third of the time of embedding."""
_LONGEST: Final = 64  # characters of a word that is kept


class WordTokens:
    """What a tokenizer like Llama's makes of texts, its own marks left out. No token of its vocabulary reaches over a
    single space, so that the tokens of a text are those of its words: to look these up takes a fifth of the time of
    merging pairs over a whole text. Texts of another kind are given to the tokenizer as they are.

    For any thread: a dictionary that is full gives way to a new one."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, bytes] = {}
        self._begins = np.zeros(tokenizer.get_vocab_size(), np.bool_)
        self._begins[[id for token, id in tokenizer.get_vocab().items() if token.startswith(_MARK)]] = True

    def of(self, texts: Sequence[str]) -> list[Ids]:
        cut = [_words(text) for text in texts]
        known = self._with(set(chain.from_iterable(cut)))
        return [
            np.frombuffer(b"".join(map(known.__getitem__, words)), np.uint32) if words else self._encoded(text)
            for text, words in zip(texts, cut, strict=True)
        ]

    def _with(self, words: Collection[str]) -> dict[str, bytes]:
        """A dictionary that has these words."""
        known = self._known
        if missing := [word for word in words if word not in known]:
            if len(known) + len(missing) > _KEPT:
                missing, known = list(words), {}
            known.update(zip(missing, self._of_words(missing), strict=True))
            self._known = known
        return known

    def _of_words(self, words: Sequence[str]) -> list[bytes]:
        ids = self._encoded(" ".join(words))
        starts = np.flatnonzero(self._begins[ids]) * ids.itemsize
        data = ids.tobytes()
        return [data[start:end] for start, end in pairwise((*starts.tolist(), len(data)))]

    def _encoded(self, text: str) -> Ids:
        return np.array(self._tokenizer.encode(text, add_special_tokens=False).ids, np.uint32)


def _words(text: str) -> list[str]:
    """Empty when it is not words with one space between them, or has marks that the tokenizer reads in its own way."""
    if "  " in f" {text} " or _MARK in text or "<" in text:
        return []
    words = text.split(" ")
    return words if max(map(len, words)) <= _LONGEST else []
