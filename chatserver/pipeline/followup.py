"""A follow-up question as one that stands alone, by rules for English and Dutch; pure.

    he, she, his …        the person that the last answer names
    it, that, its …       what the last question is about
    there, daar           the place that the last answer names
    and X? en X?          the last question, with X in the place of what it named (`and the oldest?`: of its order)
    why? how much?        the question, with what the last one is about behind it

In order: only the first rule that fits is used. What fits none is left as it is: a needless rewriting spoils a
question, a missing one only costs what it would have found. An English pronoun is replaced, so that the question reads
well; Dutch ones are words of many trades ("zijn", "het"), so what they mean is put behind the question.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from chatserver.models.port import Turn
from chatserver.models.sentences import plain
from graph.mentions import NameTrie, Span, find
from retrieval.text import content_words, language, words

_MARK = re.compile(r"\s?\[\d{1,3}\]")
_END = re.compile(r"[\s?!.…]*$")
_FEW_WORDS = 6  # "and the second one in the north wing?" still replaces; more is a question of its own
_SAID = 4_000  # characters of an earlier answer, in which a question may find what it speaks of

_AND = re.compile(
    r"(?:and|or)? ?(?:what|how) about (?P<a>.+)|(?:and|en) (?:for |in |of |voor |van |bij |op )?(?P<b>.+)"
    r"|(?:en )?hoe zit (?:het|dat) (?:dan )?(?:met|bij) (?P<c>.+)",
    re.IGNORECASE,
)
_ASKS_WORDS = """
who what when where why which how whose whom is are was were do does did can could will would should has have
wie wat wanneer waar waarom welke welk hoe hoeveel zijn was waren kan kunnen moet moeten heeft hebben doet
"""
_MEASURE_WORDS = "often long much many far old big lang vaak veel ver oud groot"
_ASKS = frozenset(_ASKS_WORDS.split())
_MEASURES = frozenset(_MEASURE_WORDS.split())
_PERSON = re.compile(r"\b(?P<whose>his|her)(?= [^\W\d_]+)|\b(?:he|she|him|her|his|hers)\b", re.IGNORECASE)
_THING = re.compile(r"\b(?P<whose>its|their)\b|\b(?:it|they|them|this|that|those|these)\b", re.IGNORECASE)
_THERE = re.compile(r"\bthere\b(?! (?:is|are|was|were|be|been)\b)", re.IGNORECASE)
_EXISTS = re.compile(r"\b(?:is|are|was|were|be|been) there\b", re.IGNORECASE)
_PERSON_NL = re.compile(r"\b(?:hij|zij|ze|hem)\b|\b(?:is|was|van|met|voor|over|op|in|en) (?:zijn|haar|hun) \w", re.I)
_THING_NL = re.compile(r"\b(?:(?:er|daar|hier)(?:van|mee|voor|aan|over|op|in|bij|uit|naar)|die|dat|deze|dit)\b", re.I)
_PRONOUN_NL = re.compile(
    r"\bhet(?=[\s?!.]*$| (?:dan|nu|nog|ook|wel|niet|daar)\b)|^(?:is|was|werkt|kan|moet) het\b", re.I
)
_THERE_NL = re.compile(r"\bdaar\b", re.IGNORECASE)
_HAS_NOUN = re.compile(r"\b(?:the|an?|which|what|every|each|all|de|het|een|welke?|elke?|alle)\s+[^\W\d_]{3,}", re.I)
_NUMBER = re.compile(r"\d{3}")  # of something: `event 4711`
_ORDER = re.compile(
    r"\b(?:newest|latest|most recent|oldest|first|last|highest|lowest|largest|smallest|longest|shortest"
    r"|nieuwste|laatste|meest recente|oudste|eerste|hoogste|laagste|grootste|kleinste|langste|kortste)\b",
    re.IGNORECASE,
)
_PLACE = re.compile(r"\b(?:in|at|near|on|te|bij|nabij|op)\s+(?:the |de |het )?$", re.IGNORECASE)
_NO_NAMES = NameTrie()


@dataclass(frozen=True, slots=True)
class _Last:
    """What the chat is at: the last question as it stands alone, and the answer's text without marks."""

    question: str
    answer: str

    @property
    def names(self) -> list[str]:
        return [span.name for span in _named(self.question)]

    @property
    def topic(self) -> str:
        """The name that the question is about, else its content words."""
        names = self.names
        return names[-1] if names else " ".join(w for w in content_words(self.question) if w not in _MEASURES)

    @property
    def person(self) -> str | None:
        """Of the names with two words and no digit: the answer's first new one, else the question's last."""
        said = [span.name for span in _named(self.answer) if span.name not in self.question]
        people = [name for name in [*said, *reversed(self.names)] if " " in name and not re.search(r"\d", name)]
        return people[0] if people else None

    @property
    def place(self) -> str | None:
        """The answer's first name behind a preposition of place."""
        return next((span.name for span in _named(self.answer) if _PLACE.search(self.answer[: span.start])), None)


def standalone(question: str, history: Sequence[Turn]) -> str:
    """The question with what it takes from the earlier turns (oldest first) put in; the same when it needs none."""
    last: _Last | None = None
    for turn in history:
        last = _Last(_rewritten(turn.question, last), plain(_MARK.sub("", turn.answer[:_SAID])))
    return _rewritten(question, last)


def _rewritten(question: str, last: _Last | None) -> str:
    if last is None or not last.topic or not words(question):
        return question
    return _replaced_topic(question, last) or _bound(question, last) or _completed(question, last) or question


def _replaced_topic(question: str, last: _Last) -> str | None:
    """ "And X?": the last question with X for the words it shares a head with, else for its last name."""
    found = _AND.fullmatch(_END.sub("", question.strip()))
    if found is None:
        return None
    new = next(group for group in found.groups() if group)
    if len(new.split()) > _FEW_WORDS or _ASKS & set(words(new)) or _THING.search(new):
        return None
    order = _ORDER.search(last.question)
    if order and _ORDER.fullmatch(_bare(new)):  # "and the oldest?" of what was the newest
        return last.question[: order.start()] + _bare(new) + last.question[order.end() :]
    same_head = re.search(rf"\b{re.escape(_head(new))}\s+[\w-]*\d[\w-]*", last.question, re.IGNORECASE)
    if same_head:
        return last.question[: same_head.start()] + _bare(new) + last.question[same_head.end() :]
    spans = _named(last.question)
    if spans:
        return last.question[: spans[-1].start] + _bare(new) + last.question[spans[-1].end :]
    return _behind(last.question, new)


def _bound(question: str, last: _Last) -> str | None:
    """The question with its first pronoun replaced (English) or explained behind it (Dutch)."""
    named = bool(_named(question))
    if language(question) == "nl":
        return _bound_dutch(question, last, named)
    if (pronoun := _PERSON.search(question)) and last.person:
        return _put(question, pronoun, last.person)
    if named or _says_enough(question):
        return None
    if (pronoun := _THERE.search(question)) and not _EXISTS.search(question):
        return _put(question, pronoun, f"in {last.place}") if last.place else _behind(question, last.topic)
    if pronoun := _THING.search(question):
        return _put(question, pronoun, last.topic) if last.names else _behind(question, last.topic)
    return None


def _says_enough(question: str) -> bool:
    """More than three content words: its "it" may well be nobody's ("what if it smells of ammonia and my eyes hurt"),
    its "that" a conjunction, and a search has enough to go by."""
    return len(content_words(question)) > 3


def _bound_dutch(question: str, last: _Last, named: bool) -> str | None:
    if _PERSON_NL.search(question) and last.person:
        return _behind(question, last.person)
    if named or _says_enough(question):
        return None
    if _THERE_NL.search(question):
        return _behind(question, last.place or last.topic)
    if _PERSON_NL.search(question) or _THING_NL.search(question) or _PRONOUN_NL.search(question):
        return _behind(question, last.topic)
    return None


def _completed(question: str, last: _Last) -> str | None:
    """Two content words or fewer without a noun phrase, a name or a long number take the last topic along."""
    short = len(content_words(question)) <= 2 and not _HAS_NOUN.search(question) and not _NUMBER.search(question)
    return _behind(question, last.topic) if short and not _named(question) else None


def _put(question: str, pronoun: re.Match[str], name: str) -> str:
    demonstrative = re.match(r" [^\W\d_]{3,}", question[pronoun.end() :])
    if pronoun[0].lower() in {"this", "that", "these", "those"} and demonstrative:
        return _behind(question, name)  # "that pump": the noun stays
    possessive = "'s" if pronoun.groupdict().get("whose") else ""
    return question[: pronoun.start()] + name + possessive + question[pronoun.end() :]


def _behind(question: str, topic: str) -> str:
    end = _END.search(question)
    assert end is not None  # it matches the empty end too
    return f"{question[: end.start()]} ({topic}){end[0].strip() or '?'}"


def _named(text: str) -> list[Span]:
    """The names in a text in their order; a question's own first word is none."""
    spans = sorted(find(text, _NO_NAMES).spans, key=lambda span: span.start)
    return [span for span in spans if span.entity not in _ASKS]


def _head(phrase: str) -> str:
    return _bare(phrase).split()[0]


def _bare(phrase: str) -> str:
    return re.sub(r"^(?:the|an?|de|het|een)\s+", "", phrase.strip(), flags=re.IGNORECASE)
