"""The limits between the tiers for one corpus, measured on questions that are made for it. Pure.

How likely a question seems to be on a corpus's topic depends on the corpus: among 3,000 passages of an encyclopedia a
foreign question finds all its words somewhere, in a handbook hardly one. So each corpus is asked two sorts of questions
when it was ingested:

    foreign   those of `foreign.txt`, written for no corpus: about invented people, kitchens and chess. All but a few of
              them are to be refused: `refuse_below` is the quantile that does so.
    own       for some of its passages, the title and a few words of one sentence; once as the passages are found, once
              with that document left out. `partly_below` parts the two best.

A limit is never above the trained one, beyond which answered questions of the training sets lie: a corpus that does
speak of kitchens and chess is not to refuse its own questions.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from chatserver.models.chains import short_title
from chatserver.models.sentences import split
from chatserver.models.weights import Limits
from retrieval.text import LANGUAGES, Language, content_words
from retrieval.types import Passage

REFUSED = 0.95
"""Share of the foreign questions of each language that lies below `refuse_below`."""
LEAST = 0.02
"""No limit is below this: what is fifty times likelier off the topic is not answered."""
OWN = 12
"""Passages that own questions are made of."""
WORDS = 3
FEWEST = 20
"""Passages of a corpus below which it is not measured: in so few hardly a word of a foreign question is found."""


@cache
def _foreign() -> str:
    return (files(__package__) / "foreign.txt").read_text("utf-8")


def foreign_name() -> str:
    """Tells these questions from others."""
    return hashlib.sha256(_foreign().encode()).hexdigest()[:12]


@cache
def foreign_questions() -> Mapping[Language, Sequence[str]]:
    rows = [line.split("\t") for line in _foreign().splitlines()]
    return {language: tuple(question for own, question in rows if own == language) for language in LANGUAGES}


def own_question(passage: Passage) -> str:
    """Of the sentence that says most its first, middle and last content word; empty when it has no three."""
    words = max((content_words(one.text) for one in split(passage.text)), key=len, default=[])
    if len(words) < WORDS:
        return ""
    return f"{short_title(passage.title)}: {words[0]} {words[len(words) // 2]} {words[-1]}?"


def measured(
    foreign: Mapping[Language, Sequence[float]], own: Sequence[float], without: Sequence[float], trained: Limits
) -> Limits:
    """`foreign`: how likely the foreign questions seem on the topic; `own`: how likely the own ones seem answered;
    `without`: the same with their document left out."""
    refuse = max((_quantile(told, REFUSED) for told in foreign.values() if told), default=trained.refuse_below)
    partly = _between(own, without) if own and without else trained.partly_below
    return Limits(_within(refuse, trained.refuse_below), _within(partly, trained.partly_below))


def of_few(trained: Limits) -> Limits:
    """For a corpus of fewer than `FEWEST` passages."""
    return Limits(LEAST, trained.partly_below)


def _within(limit: float, trained: float) -> float:
    return min(max(limit, LEAST), trained)


def _quantile(told: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all does not exceed."""
    ordered = sorted(told)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def _between(above: Sequence[float], below: Sequence[float]) -> float:
    """The limit with most of the one on its upper side and most of the other on its lower (Youden, 1950)."""

    def parted(limit: float) -> float:
        return sum(p >= limit for p in above) / len(above) + sum(p < limit for p in below) / len(below)

    return max(sorted({*above, *below}), key=parted)
