"""Words and stems of English and Dutch text: one folding for the full-text index, its queries and the ranking of
sentences, so that all of them agree on what a word is."""

import re
import threading
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from typing import Literal, TypeAlias

import Stemmer

Language: TypeAlias = Literal["en", "nl"]
LANGUAGES: tuple[Language, ...] = ("en", "nl")

MAX_WORDS = 64
"""Content words of a question that count: the first ones of a text pasted as a question."""

GRAM = 4

_SNOWBALL = {"en": "english", "nl": "dutch"}
_POSSESSIVE = re.compile(r"['’]s\b")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")
_WORD = re.compile(r"[^\W_]+")
_APART = bytes(code if chr(code).isalnum() else ord(" ") for code in range(128)).ljust(256)
_KEPT_LENGTH = 2_000  # characters: a passage has fewer
_STEMMERS = threading.local()  # a Snowball stemmer keeps its word in itself: one for each thread

_ENGLISH = """
a about after all also am an and any are as at be because been before being between both but by can could did do
does doing during each few for from had has have having he her here hers him his how i if in into is it its itself
just me might more most must my no nor not of off on once only or other our ours out over own same shall she should
so some such than that the their theirs them then there these they this those through to too under until up us very
was we were what when where which while who whom whose why will with would you your yours
"""
_DUTCH = """
aan af al alle als bij ben bent daar dan dat de der deze die dit doen door een eens en er ge geen had hadden heb hebben
hebt heeft hem het hier hij hoe hun ik in is je jij jou jouw jullie kan kon konden kun kunnen maar me meer men met mij
mijn moet moeten na naar niet nog nu of om omdat onder ons onze ook op over te tegen toch toen tot u uit uw van veel
voor waar waarom wanneer was waren wat we wel welk welke werd werden wie wij word worden wordt zal ze zei zelf zich
zij zijn zo zonder zou zouden zullen
"""
STOP_WORDS: dict[Language, frozenset[str]] = {
    "en": frozenset(_ENGLISH.split()),
    "nl": frozenset(_DUTCH.split()),
}


def fold(text: str) -> str:
    """Compatibility forms and marks removed (NFKD), case folded: `Geïnd` and `GEIND` are one word."""
    if text.isascii():
        return text.lower()
    return _NOT_ASCII.sub(_unmarked, unicodedata.normalize("NFKD", text)).casefold()


def _unmarked(run: re.Match[str]) -> str:
    return "".join(c for c in run[0] if not unicodedata.combining(c))


def words(text: str) -> list[str]:
    """The folded words in order: runs of letters and digits, without a possessive `'s`."""
    folded = _POSSESSIVE.sub("", fold(text))
    if folded.isascii():  # in half the time
        return folded.encode().translate(_APART).decode().split()
    return _WORD.findall(folded)


def words_again(text: str) -> Sequence[str]:
    """As `words`, of a text that is asked for twice within a batch of an ingest."""
    return _kept_words(text) if len(text) <= _KEPT_LENGTH else words(text)


@lru_cache(maxsize=2_048)  # two batches and what is between them, 10 MB
def _kept_words(text: str) -> tuple[str, ...]:
    return tuple(words(text))


def language(text: str) -> Language:
    """The language whose function words occur more often; English when neither does."""
    return language_of(words(text))


def language_of(found: Sequence[str]) -> Language:
    """As `language`, of folded words."""
    dutch, english = (sum(map(STOP_WORDS[of].__contains__, found)) for of in ("nl", "en"))
    return "nl" if dutch > english else "en"


def stems(text: str, lang: Language | None = None) -> list[str]:
    """The stem of every word in order, function words included, in the text's own language unless one is given."""
    return stems_of(words(text), lang or language(text))


def stems_of(found: Iterable[str], lang: Language) -> list[str]:
    """As `stems`, of folded words."""
    return list(map(_STEM[lang], found))


def content_words(text: str, lang: Language | None = None) -> list[str]:
    """The words that are not function words; all of them when there are no others (`The Who`)."""
    found = words(text)
    stop = STOP_WORDS[lang or language(text)]
    return [word for word in found if word not in stop] or found


def content_stems(text: str, lang: Language | None = None) -> list[str]:
    """`content_words`, stemmed."""
    lang = lang or language(text)
    return stems_of(content_words(text, lang), lang)


def dutch_grams(text: str) -> list[str]:
    """The runs of `GRAM` letters in the stems of a Dutch text's content words, in order, with repetitions. Dutch writes
    compounds as one word: `bassinwater` and `water` share runs where they share no stem. Words with digits and short
    ones give none."""
    found = (stem for stem in content_stems(text, "nl") if len(stem) > GRAM and stem.isalpha())
    return [stem[start : start + GRAM] for stem in found for start in range(len(stem) - GRAM + 1)]


def query_stems(text: str) -> list[str]:
    """The distinct stems to look up for a question: each content word stemmed in every language, for a question is
    too short to tell its language from, and names stem differently in texts of either."""
    return list(dict.fromkeys(stem for word in dict.fromkeys(content_words(text)) for stem in word_stems(word)))


@lru_cache(maxsize=65_536)
def word_stems(word: str) -> tuple[str, ...]:
    """The stem of a folded word in every language."""
    return tuple(_STEM[lang](word) for lang in LANGUAGES)


def _stem(lang: Language, word: str) -> str:
    stemmer = getattr(_STEMMERS, lang, None)
    if stemmer is None:
        stemmer = Stemmer.Stemmer(_SNOWBALL[lang], 0)  # without its cache: ours is as fast
        setattr(_STEMMERS, lang, stemmer)
    stem: str = stemmer.stemWord(word)
    return stem


# One cache for each language: where the word is all of its key, a look-up takes a third of the time.
_STEM: dict[Language, Callable[[str], str]] = {
    lang: lru_cache(maxsize=65_536)(partial(_stem, lang)) for lang in LANGUAGES
}
