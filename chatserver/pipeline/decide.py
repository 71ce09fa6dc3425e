"""Does a question need data? Rules for English and Dutch; pure.

Only a message that is small talk as a whole is answered without retrieval: "hi" is a greeting, "hi, why did P-101
trip?" is a question. When in doubt, retrieve: a needless search costs milliseconds, a missed one costs the answer.
"""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from retrieval.text import Language, language, words

Kind: TypeAlias = Literal[
    "retrieve", "greeting", "well_being", "thanks", "farewell", "capabilities", "date", "time", "empty"
]


@dataclass(frozen=True, slots=True)
class Decision:
    """`kind` is `retrieve` or the sort of text that answers; `reason` says why in words a person reads."""

    kind: Kind
    reason: str
    language: Language
    query: str = ""
    """A follow-up as the question that it stands for, see `chatserver.pipeline.followup`."""
    by: Literal["rules", "model"] = "rules"


_SMALL_TALK: tuple[tuple[Kind, Language, str], ...] = (
    ("greeting", "en", r"(hi|hello|hey|hiya|howdy|greetings)( there| all| everyone| again)?"),
    ("greeting", "en", r"good (morning|afternoon|evening|day)"),
    ("greeting", "nl", r"(hallo|hoi|hai|dag|hey|heey|goedendag|goeiedag)( allemaal| daar| weer)?"),
    ("greeting", "nl", r"(goeie|goede|goeden) ?(morgen|middag|avond|dag)|goe(de|ie)(morgen|middag|n?avond)"),
    ("well_being", "en", r"how (are|re) (you|things)( doing| today| doing today)?|how is it going|whats up|what s up"),
    ("well_being", "nl", r"(hoe gaat het|alles goed|hoe is het)( met (je|jou|u)| vandaag| ermee)*"),
    ("thanks", "en", r"(ok |okay |great |many )?(thanks|thank you|thx|cheers)( a lot| so much| very much| again)?"),
    ("thanks", "nl", r"(ok |oke |top |prima )?(bedankt|dank ?(je|u)( ?wel)?)( zeer| hoor| voor (je|uw) hulp)*"),
    ("thanks", "nl", r"(hartelijk|heel erg|heel hartelijk) (dank|bedankt)"),
    ("farewell", "en", r"(good ?)?bye( bye)?|see (you|ya)( later| soon| tomorrow)?|good night"),
    ("farewell", "nl", r"doei( doei)?|tot (ziens|straks|morgen|later)|fijne (dag|avond)( nog)?"),
    ("capabilities", "en", r"what (can|do) you do( for me)?|who are you|what are you|help( me)?"),
    ("capabilities", "en", r"how (can|do) you (help|work)( me)?"),
    ("capabilities", "en", r"what can i ask( you)?|(can|could) you help( me)?|how does this work"),
    ("capabilities", "nl", r"wat (kan|kun|kunt|doe) (je|jij|u)( allemaal)?( doen)?|wie (ben|bent) (je|jij|u)|hulp"),
    ("capabilities", "nl", r"wat kan ik( je| jou| u)? vragen|(kan|kun|kunt) (je|jij|u) (me|mij) helpen"),
    ("capabilities", "nl", r"hoe werkt (dit|het)"),
    ("date", "en", r"what (is|s) (the date( of)?|today s date|todays date|today)( today| now)?"),
    ("date", "en", r"(what|which) (day|date|month|year) (is it|is today)( today| now)?|today s date|todays date"),
    ("date", "en", r"(what|which) (day|date) of the (week|month) (is it|is today)( today)?"),
    ("date", "nl", r"wat is de (huidige )?datum( van)?( vandaag| nu)?|datum van vandaag"),
    ("date", "nl", r"(welke (dag|datum|maand)|welk jaar|wat voor dag) is het( vandaag| nu)?"),
    ("time", "en", r"what (time is it|is the time|s the time)( now| right now)?|whats the time"),
    ("time", "nl", r"hoe laat is het( nu)?|wat is de tijd( nu)?"),
)  # fmt: skip

_TABLE = tuple((kind, tongue, re.compile(pattern)) for kind, tongue, pattern in _SMALL_TALK)
_COURTESY = re.compile(
    r"^(?:(?:hi|hello|hey|hallo|hoi|dag|please|so|and|ok|okay|oke|nou|en)(?: there)? )+"
    r"|(?: (?:please|thanks|thank you|alstublieft|alsjeblieft|aub|bedankt|bot|assistant|assistent))+$"
)
_CODE = re.compile(r"\b[A-Za-z]{1,6}-\d+\b")
"""The letters of `TE-003` are no Dutch word."""
_POSSESSIVE = re.compile(r"['’](?=s\b)")

_REASONS: dict[Kind, str] = {
    "retrieve": "a question: the sources are searched",
    "greeting": "a greeting: no data is needed",
    "well_being": "small talk: no data is needed",
    "thanks": "thanks: no data is needed",
    "farewell": "a farewell: no data is needed",
    "capabilities": "a question about this assistant: no data is needed",
    "date": "today's date: no data is needed",
    "time": "the time: no data is needed",
    "empty": "no word to search for",
}


_DUTCH = frozenset(("hoeveel", "aantal", "gemiddelde", "toon", "welke"))
"""First words of questions that may have no function word: `hoeveel alarmen per pomp`."""

FOLLOW_UP = "a follow-up: the sources are searched for what it stands for"


def decide(question: str) -> Decision:
    """What to do with a question. Never fails; anything that is not clearly small talk is `retrieve`."""
    # `words` drops a possessive 's; here it is a word of the phrase ("what's", "today's").
    said = " ".join(words(_POSSESSIVE.sub(" ", question)))
    if not said:
        return _decision("empty", "en")
    for phrase in (said, _COURTESY.sub("", said)):
        for kind, tongue, pattern in _TABLE:
            if pattern.fullmatch(phrase):
                return _decision(kind, tongue)
    return _decision("retrieve", "nl" if said.split()[0] in _DUTCH else language(_CODE.sub(" ", question)))


def _decision(kind: Kind, tongue: Language) -> Decision:
    return Decision(kind, _REASONS[kind], tongue)
