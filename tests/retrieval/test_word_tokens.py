"""Tokens looked up word by word."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.embedders import word_tokens
from retrieval.embedders.tokenizer import read_tokenizer
from retrieval.embedders.word_tokens import WordTokens
from retrieval.embedders.wordllama import tokenizer_file

PIECES = [
    " ",
    "  ",
    "\u2581",
    "<s>",
    "<",
    "a",
    "Pump",
    "P-101,",
    "\n",
    "\u00e9",
    "e\u0301",
    "\u6f22",
    "\U0001f600",
    "x" * 70,
]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return read_tokenizer(tokenizer_file())


@pytest.fixture(scope="module")
def tokens(tokenizer: Any) -> WordTokens:
    return WordTokens(tokenizer)


@settings(deadline=None)  # the machine may be busy
@given(texts=st.lists(st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=8).map("".join), max_size=8))
def test_tokens_word_by_word_are_those_of_the_text(tokenizer: Any, tokens: WordTokens, texts: list[str]) -> None:
    """What is looked up by word is what the tokenizer makes of the whole, spaces and marks in any place."""
    whole = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    assert [ids.tolist() for ids in tokens.of(texts)] == whole


def test_words_that_are_kept_are_bounded(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens stay right when the words that are kept give way to others."""
    monkeypatch.setattr(word_tokens, "_KEPT", 5)
    tokens = WordTokens(tokenizer)
    for text in ("Pump P-101 leaks at the seal", "A seal of the spare pump P-102", "Pump P-101 leaks again"):
        (found,) = tokens.of([text])
        assert found.tolist() == tokenizer.encode(text, add_special_tokens=False).ids
    assert len(tokens._known) <= 8
