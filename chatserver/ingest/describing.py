"""What can be said of a passage without a model: its language, keywords, the names in it and its dates. Pure.

They are metadata of the passage, beside what its document brought (which counts more), so that a search can be filtered
by them: `{"entities": "Pump P-101"}`, `{"language": "nl"}`, `{"year_to": {"$gte": 2024}}`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final

from chatserver.ingest.dates import dates_in
from graph.types import PassageLinks
from retrieval.text import LANGUAGES, STOP_WORDS, words, words_again
from retrieval.types import Document, Passage

KEYWORDS: Final = 8
ENTITIES: Final = 12
DATES: Final = 12
_READ: Final = 20_000
"""Characters of a document that tell its language and keywords."""
_LEAST_SHARE: Final = 0.15
"""Of a text's words that are little ones of its language; in another language they are fewer."""
_LITTLE: Final = 3
"""Different ones at least: French has `a` and `on`, too."""
_TITLE: Final = 3
"""A word of the title counts as so many of the text."""
_SHORTEST: Final = 4
_NO_KEYWORDS: Final = frozenset().union(*STOP_WORDS.values())


def described(document: Document, passages: Sequence[Passage], links: Sequence[PassageLinks]) -> list[Passage]:
    """The passages with what is said of them; `links` are theirs, in their order."""
    of_document = about(document)
    return [
        replace(passage, metadata={**of_document, **_of_passage(passage, linked), **passage.metadata})
        for passage, linked in zip(passages, links, strict=True)
    ]


def about(document: Document) -> Mapping[str, Any]:
    """`language` (none where it is not sure) and `keywords`, the weightiest first."""
    found = Counter(words_again(document.text[:_READ]))
    told: dict[str, Any] = {}
    if language := _language(found):
        told["language"] = language
    if keywords := _keywords(found, words(document.title)):
        told["keywords"] = keywords
    return told


def _language(found: Counter[str]) -> str:
    little = {of: [word for word in found if word in STOP_WORDS[of]] for of in LANGUAGES}
    uses = {of: sum(found[word] for word in little[of]) for of in LANGUAGES}
    likeliest = max(LANGUAGES, key=lambda of: uses[of])
    sure = len(little[likeliest]) >= _LITTLE and uses[likeliest] > _LEAST_SHARE * sum(found.values())
    return likeliest if sure else ""


def _keywords(found: Counter[str], title: Sequence[str]) -> tuple[str, ...]:
    """The words that are used most, of equals those of the title and then the first."""
    counts = dict.fromkeys(title, 0) | found
    for word in title:
        counts[word] += _TITLE
    best = sorted(counts, key=counts.__getitem__, reverse=True)
    return tuple(islice(filter(_tells, best), KEYWORDS))


def _tells(word: str) -> bool:
    return len(word) >= _SHORTEST and word not in _NO_KEYWORDS and not word.isdigit()


def _of_passage(passage: Passage, links: PassageLinks) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if entities := tuple(dict.fromkeys(entity.name for entity in links.entities))[:ENTITIES]:
        told["entities"] = entities
    if dates := dates_in(passage.text)[:DATES]:
        years = [int(day[:4]) for day in dates]
        told |= {"dates": tuple(dates), "year_from": min(years), "year_to": max(years)}
    return told
