"""Does a question need data? Rules for English and Dutch; pure.

Only a message that is small talk as a whole is answered without retrieval: "hi" is a greeting, "hi, why did P-101
trip?" is a question. When in doubt, retrieve: a needless search costs milliseconds, a missed one costs the answer.
"""

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from retrieval.text import Language, language, words

Kind: TypeAlias = Literal[
    "retrieve",
    "greeting",
    "well_being",
    "thanks",
    "farewell",
    "small_talk",
    "capabilities",
    "date",
    "time",
    "empty",
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
    ("well_being", "nl", r"hoe gaat (ie|hij|t)( ermee)?|alles (goed|ok|oke)( met je)?"),
    ("thanks", "en", r"(ok |okay |great |many )?(thanks|thank you|thx|cheers)( a lot| so much| very much| again)?"),
    ("thanks", "en", r"(thanks|thank you)( that| this| it)? (helps|helped|was helpful|is helpful)( a lot| me)?"),
    ("thanks", "nl", r"(super|heel erg|enorm|erg) bedankt|bedankt (dat|dit) helpt( mij| me)?"),
    ("thanks", "nl", r"(ok |oke |top |prima )?(bedankt|dank ?(je|u)( ?wel)?)( zeer| hoor| voor (je|uw) hulp)*"),
    ("thanks", "nl", r"(hartelijk|heel erg|heel hartelijk) (dank|bedankt)"),
    ("farewell", "en", r"(good ?)?bye( bye)?|see (you|ya)( later| soon| tomorrow)?|good night"),
    ("farewell", "en", r"have a (nice|good|great) (day|evening|weekend|one)"),
    ("farewell", "nl", r"doei( doei)?|tot (ziens|straks|morgen|later)|fijne (dag|avond)( nog)?"),
    ("farewell", "nl", r"fijn weekend|welterusten|slaap lekker"),
    ("small_talk", "en", r"ok(ay)?|nice|great|good|perfect|i see|got it|sure|alright|wow|lol|haha|yes|no"),
    ("small_talk", "en", r"(nice|good|pleased) to (meet|see) you|(tell me )?(a|another) joke|sing( me)? a song"),
    ("small_talk", "en", r"(do|can) you (like|love|hate) me|i (like|love) you|you are (great|funny|nice)"),
    ("small_talk", "nl", r"oke|prima|mooi|leuk|top|fijn|goed zo|duidelijk|begrepen|ja|nee|hm+|haha"),
    ("small_talk", "nl", r"(leuk|aangenaam)( om)? (je|u) te (ontmoeten|zien|leren kennen)"),
    ("small_talk", "nl", r"((vertel|kun je|kan je) (eens )?)?een (mop|grap)( vertellen)?"),
    ("small_talk", "nl", r"ik (hou|houd) van (je|jou)|je bent (leuk|grappig|geweldig)"),
    ("capabilities", "en", r"what (can|do) you do( for me)?|who are you|what are you|help( me)?"),
    ("capabilities", "en", r"how (can|do) you (help|work)( me)?|what are you able to do"),
    ("capabilities", "en", r"what can you help( me)?( with)?|(what is|what s|whats) your name"),
    ("capabilities", "en", r"are you (a |an )?(robot|bot|human|person|machine|ai|real)"),
    ("capabilities", "en", r"what can i ask( you)?|(can|could) you help( me)?|how does this work"),
    ("capabilities", "nl", r"wat (kan|kun|kunt|doe) (je|jij|u)( allemaal)?( doen)?|wie (ben|bent) (je|jij|u)|hulp"),
    ("capabilities", "nl", r"wat kan ik( je| jou| u)? vragen|(kan|kun|kunt) (je|jij|u) (me|mij) helpen"),
    ("capabilities", "nl", r"hoe werkt (dit|het)|hoe heet (je|jij|u)"),
    ("capabilities", "nl", r"waar (kan|kun|kunt) (je|jij|u) (me|mij) (mee|bij) helpen"),
    ("capabilities", "nl", r"(ben|bent) (je|jij|u) (een )?(robot|bot|mens|machine|ai|echt)"),
    ("date", "en", r"what (is|s) (the date( of)?|today s date|todays date|today)( today| now)?"),
    ("date", "en", r"(what|which) (day|date|month|year) (is it|is today)( today| now)?|today s date|todays date"),
    ("date", "en", r"(what|which) (day|date|month|year) (it is|we have)( today| now)?"),
    ("date", "en", r"((could|can|would|will) you )?(please )?tell (me|us) (the|today s|todays) date( today| please)?"),
    ("date", "en", r"(what|which) (day|date) of the (week|month) (is it|is today)( today)?"),
    ("date", "nl", r"wat is de (huidige )?datum( van)?( vandaag| nu)?|datum van vandaag"),
    ("date", "nl", r"wat is (vandaag|nu) de datum|(welke dag|de hoeveelste) is het( vandaag)?|de hoeveelste is het"),
    ("date", "nl", r"(welke (dag|datum|maand)|welk jaar|wat voor dag) het( vandaag| nu)? is"),
    ("date", "nl", r"(welke (dag|datum|maand)|welk jaar|wat voor dag) is het( vandaag| nu)?"),
    ("time", "en", r"what (time is it|is the time|s the time)( now| right now)?|whats the time"),
    ("time", "en", r"(what s|whats|what is) the current time( now| right now)?|what time it is( now)?"),
    ("time", "en", r"((could|can|would|will) you )?(please )?tell (me|us) the time( please)?"),
    ("time", "en", r"do you (know|have) the time"),
    ("time", "nl", r"hoe laat (is het|het is)( nu)?|wat is de (huidige )?tijd( nu)?|hoe laat het nu is"),
)  # fmt: skip

_TABLE = tuple((kind, tongue, re.compile(pattern)) for kind, tongue, pattern in _SMALL_TALK)
_COURTESY = re.compile(
    r"^(?:(?:(?:could|can|would|will) you|do you know|please)(?: please)? (?:tell (?:me|us) )?"
    r"|(?:kun|kan|kunt|wil) (?:je|jij|u) (?:me |mij |ons )?(?:zeggen|vertellen) |weet (?:je|jij|u) "
    r"|(?:hi|hello|hey|hallo|hoi|dag|please|so|and|ok|okay|oke|nou|en)(?: there)? )+"
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
    "small_talk": "small talk: no data is needed",
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
