"""What a question asks for, and how a sentence shows that it has it: patterns for English and Dutch. Pure.

Two tables. `SORTS`: the sort of thing that the question's head asks for (a date, a number, a person), of which a
question has at most one: the head of `the cause of death of the director` is the cause. `RELATIONS`: ways in which
things are tied (directed by, born, located in), of which a question may name several.
"""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cue:
    """`question` is searched in the folded question, `answer` in a sentence as it is written."""

    question: re.Pattern[str]
    answer: re.Pattern[str]


_MONTHS = (
    "January|February|March|April|May|June|July|August|September|October|November|December|"
    "januari|februari|maart|april|mei|juni|juli|augustus|september|oktober|november|december"
)
_PERSON = r"(?<=\w )[A-Z][\w'’.-]+ (?:[A-Z][\w'’.-]* )*[A-Z]\w+"
_PEOPLE = (
    "director|performer|singer|composer|author|writer|father|mother|wife|husband|spouse|son|daughter|founder|president|"
    "owner|producer|child|grandfather|grandmother|brother|sister|king|actor|actress|mayor|"
    "regisseur|zanger|componist|schrijver|vader|moeder|vrouw|man|zoon|dochter|oprichter|eigenaar|directeur|monteur"
)


def _cue(question: str, answer: str, flags: re.RegexFlag = re.NOFLAG) -> Cue:
    return Cue(re.compile(question), re.compile(answer, flags))


SORTS = (
    _cue(
        r"\bcauses? of\b|\bwhy\b|\bhow did .* die\b|\breason\b|\boorzaak\b|\bwaarom\b|\breden\b",
        r"\b(?:because|due to|caused?|of (?:a|an) \w+|after|cancer|heart|killed|accident|disease|suicide|attack|"
        r"tumou?r|pneumonia|stroke|omdat|doordat|door|oorzaak|veroorzaakt|wegens)\b",
        re.IGNORECASE,
    ),
    _cue(
        r"\bwhen\b|\b(?:what|which|welk|wat) (?:year|date|day|month|jaar|datum|dag)\b|\b(?:birth|death) date\b|"
        r"\bdate of\b|\b(?:born|died) (?:first|later|earlier)\b|\b(?:older|younger|oldest|youngest|earlier|later|first)"
        r"\b|\bwanneer\b|\b(?:geboorte|sterf)datum\b|\b(?:ouder|jonger|eerder|later|eerst)\b",
        rf"\b(?:1\d|20)\d\d\b|\b(?:{_MONTHS})\b|\b\d{{1,2}}:\d\d\b",
    ),
    _cue(
        r"\bhow (?:many|much|often|long|far|high|loud|hot|cold|big|large|old|tall|deep|fast|quickly|soon|heavy)\b|"
        r"\bhoe (?:vaak|lang|ver|hoog|luid|heet|koud|groot|oud|diep|snel|zwaar)\b|\bhoeveel\b|\b(?:limit|pressure|"
        r"temperature|number|population|grens|druk|temperatuur|aantal)\b",
        r"\d|\b(?:one|two|three|four|five|six|ten|daily|weekly|monthly|yearly|once|twice|dagelijks|"
        r"wekelijks|maandelijks|jaarlijks|twee|drie|vier|vijf|zes|tien)\b",
        re.IGNORECASE,
    ),
    _cue(
        r"\b(?:country|nationality|citizenship|land|nationaliteit)\b",
        r"\b(?:[A-Z]\w+(?:an|ish|ese|ch|ian|i|se)|[Ii]n [A-Z]\w+|U\.?S\.?|United (?:States|Kingdom))\b",
    ),
    _cue(
        r"\bwhere\b|\b(?:place|city|town|state|county|location|district|province|region)\b|\bwaar\b|"
        r"\b(?:plaats|stad)\b",
        r"\b(?:in|at|from|near|of|on|to|te|uit|bij|op|naar) (?:the |de |het )?[A-Z]\w+",
    ),
    _cue(rf"\b(?:who|whom|whose|wie|wiens)\b|\b(?:the|which|what|de|welke) (?:{_PEOPLE})\b", _PERSON),
    _cue(r"\b(?:award|prize|prijs)s?\b", r"\b(?:awards?|prize|won|received|medal|prijs|won|kreeg)\b", re.IGNORECASE),
)

RELATIONS = tuple(
    _cue(rf"\b(?:{question})\b", rf"\b(?:{answer})\b", re.IGNORECASE)
    for question, answer in (
        ("direct(?:or|ors|ed)|regisseur|regie", "directed|director|film by|regisseur|geregisseerd"),
        ("perform(?:er|ed)|singers?|sang|sung|song|zanger", "by|perform(?:er|ed)|recorded|sung|singer|song|single"),
        ("compos(?:er|ed)|music|componist", "compos(?:er|ed)|music|score[ds]?|soundtrack|componist"),
        ("wr(?:ote|itten|iter)|author|novel|book|schr(?:eef|ijver)", "wr(?:ote|itten|iter)|authors?|novel|book|by"),
        ("produce[drs]*|producer", "produce[drs]*|producer|by"),
        ("star(?:s|red|ring)?|cast|played|actor|actress", "star(?:s|red|ring)?|cast|play(?:s|ed)|roles?|actor|actress"),
        ("born|birth|birthplace|birthday|age|older|younger|oldest|youngest|geboren|geboorte\\w*", "born|birth|geboren"),
        (
            "die[ds]?|death|dead|passed|gestorven|overleden|stierf",
            "die[ds]?|death|killed|buried|overleed|stierf|overleden",
        ),
        (
            "father|mother|parents?|son|daughter|child|children|grand\\w+|siblings?|brother|sister|vader|moeder|zoon",
            "father|mother|parents?|son|daughter|child|children|brother|sister|vader|moeder|zoon|dochter",
        ),
        (
            "wife|husband|spouse|married|marry|widow|in-law|vrouw|echtgeno\\w+|getrouwd",
            "wife|husband|married|marriage|widow|spouse|echtgeno\\w+|trouwde|getrouwd",
        ),
        (
            "country|nationality|citizenship|nation|countries|land",
            "american|british|indian|french|german|italian|canadian|english|[a-z]+(?:ish|ese|ian)",
        ),
        (
            "where|located?|location|place|city|state|county|border\\w*|district|waar|ligt|plaats",
            "located|situated|in|near|city|town|county|borders?|capital|district|ligt|gelegen|staat",
        ),
        (
            "found(?:ed|er|ing)?|establish\\w*|form(?:ed)?|start(?:ed)?|creat(?:ed|or)|invent\\w*|opgericht|oprichter",
            "found(?:ed|er|ing)|establish\\w*|formed|started|created?|creator|invent\\w*|opgericht",
        ),
        (
            "stud(?:y|ied)|educat\\w*|attend\\w*|graduat\\w*|school|college|university|alma|gestudeerd",
            "stud(?:y|ied)|educat\\w*|attend\\w*|graduat\\w*|school|college|university|studeerde",
        ),
        (
            "work(?:s|ed)?|employ\\w*|job|occupation|career|professor|werk\\w*|beroep",
            "work(?:s|ed)?|employ\\w*|professor|career|served|werk\\w*",
        ),
        (
            "award\\w*|prize|win|won|winner|medal|prijs|gewonnen",
            "award\\w*|prize|win|won|winner|medal|received|prijs|gewonnen",
        ),
        (
            "publish\\w*|releas\\w*|label|publication|came out|uitgegeven",
            "publish\\w*|releas\\w*|label|records|uitgegeven",
        ),
        (
            "own(?:s|ed|er)?|part of|belong\\w*|parent|subsidiary|eigenaar",
            "own(?:s|ed|er)?|part of|belong\\w*|parent|subsidiary|acquired|member|eigendom",
        ),
        ("play(?:s|ed)? for|team|league|club|season|elftal", "team|league|club|season|played|signed"),
        ("genre|kind of|type of|what is|wat is", "is an?|was an?|is een|was een"),
        ("buried|burial|begraven", "buried|cemetery|interred|begraven"),
        ("must|should|do when|moet|moeten", "must|never|always|only|before|after|moet|moeten|nooit|altijd"),
    )
)


def sort_of(question: str) -> Cue | None:
    """The first that fits the folded question: `SORTS` stands from the most telling to the least."""
    return next((sort for sort in SORTS if sort.question.search(question)), None)


def relations_of(question: str) -> list[Cue]:
    return [relation for relation in RELATIONS if relation.question.search(question)]
