"""The tokens of texts, looked up word by word."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Final

_MARK: Final = "\u2581"  # stands for a space in tokens
_KEPT: Final = 65_536  # words, some 16 MB
_LONGEST: Final = 64  # characters of a word that is kept


class WordTokens:
    """What a tokenizer like Llama's makes of texts, its own marks left out. No token of its vocabulary reaches over a
    single space, so that the tokens of a text are those of its words: to look these up takes a fifth of the time of
    merging pairs over a whole text. Texts of another kind are given to the tokenizer as they are.

    For any thread: a dictionary that is full gives way to a new one."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._known: dict[str, list[int]] = {}
        self._begins = frozenset(id for token, id in tokenizer.get_vocab().items() if token.startswith(_MARK))

    def of(self, texts: Sequence[str]) -> list[list[int]]:
        cut = [_words(text) for text in texts]
        known = self._with(set(chain.from_iterable(cut)))
        return [
            list(chain.from_iterable(map(known.__getitem__, words))) if words else self._encoded(text)
            for text, words in zip(texts, cut, strict=True)
        ]

    def _with(self, words: set[str]) -> dict[str, list[int]]:
        """A dictionary that has these words."""
        known = self._known
        if missing := [word for word in words if word not in known]:
            if len(known) + len(missing) > _KEPT:
                missing, known = list(words), {}
            known.update(zip(missing, self._of_words(missing), strict=True))
            self._known = known
        return known

    def _of_words(self, words: Iterable[str]) -> list[list[int]]:
        found: list[list[int]] = []
        for id in self._encoded(" ".join(words)):
            if id in self._begins:
                found.append([])
            found[-1].append(id)
        return found

    def _encoded(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids


def _words(text: str) -> list[str]:
    """Empty when it is not words with one space between them, or has marks that the tokenizer reads in its own way."""
    if "  " in f" {text} " or _MARK in text or "<" in text:
        return []
    words = text.split(" ")
    return words if max(map(len, words)) <= _LONGEST else []
