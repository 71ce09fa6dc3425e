"""Records that a question names by their id. Pure.

`event TE-003` and `event 4711` name one of a collection. A code alone (`WS-030`) may be an id, or stand for something
that the passages tell of: then it is looked for where ids may be written so, and nothing is said when it is none.
"""

import re
from collections.abc import Iterator, Mapping

from graph.names import fold_name
from graph.types import Collection, Condition, RecordQuery

_CODE = re.compile(r"(?<![\w/-])[A-Z]{1,6}-?\d{1,8}(?![\w/-])")
_ID = r"(?:(?:number|no|nr|id|nummer|met id|with id|called)\.? +)?#?(?P<id>[A-Za-z]{0,6}-?\d{1,12}(?![\w-]))"
_COUNTED = re.compile(r" *(?:%|°|[A-Za-zµ]|\d)")
_YEAR = re.compile(r"(?:19|20)\d\d")


def named_by_id(question: str, collections: Mapping[str, Collection]) -> RecordQuery | None:
    """The one that is called by its collection and id."""
    for collection in collections.values():
        for words in _spellings(collection.name):
            match = re.search(rf"\b{words} +{_ID}", question, re.IGNORECASE)
            if match and _is_id(match["id"], question[match.end() :], collection):
                return _query(collection, match["id"])
    return None


def codes_as_ids(question: str, collections: Mapping[str, Collection]) -> tuple[RecordQuery, ...]:
    """What may be an id because it is written like one."""
    codes = dict.fromkeys(match[0] for match in _CODE.finditer(question))
    return tuple(
        _query(collection, code)
        for code in codes
        if not any(_is_value(code, collection) for collection in collections.values())
        for collection in collections.values()
        if _written_so(code, collection)
    )


def _spellings(name: str) -> Iterator[str]:
    words = fold_name(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)).split()
    yield re.escape("".join(words))
    yield " ".join(map(re.escape, words))
    yield re.escape(words[-1])


def _is_id(id: str, after: str, collection: Collection) -> bool:
    """Not a value of another field, not a year, not a number of something (`event 5 minutes ago`)."""
    number = id.isdecimal()
    return not (_is_value(id, collection) or (number and (_YEAR.fullmatch(id) or _COUNTED.match(after))))


def _is_value(code: str, collection: Collection) -> bool:
    return any(code in values for field, values in collection.values.items() if field != "id")


def _written_so(code: str, collection: Collection) -> bool:
    """As its ids are, where these are known."""
    ids = collection.values.get("id")
    return not ids or any(_letters(id) == _letters(code) for id in ids)


def _letters(code: str) -> str:
    return re.sub(r"\d+", "0", code)


def _query(collection: Collection, id: str) -> RecordQuery:
    return RecordQuery(collection.name, (Condition("id", "=", id),), limit=1)
