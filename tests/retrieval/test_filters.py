import json
import sqlite3
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retrieval.errors import InvalidFilter
from retrieval.filters import matches, parse, to_sql
from retrieval.types import Metadata

FIELDS = st.sampled_from(["unit", "lang", "a.b", '"', "\\", "it's", "é", "[0]"])
NUMBERS = st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([0.1, 0.3, 2**53])
TEXTS = st.sampled_from(["", "1", "en", "nl", "true", "Ünït", "x'); DROP TABLE t; --"]) | st.text(
    st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=5
)
SCALARS = NUMBERS | TEXTS | st.booleans()
METADATA = st.dictionaries(FIELDS, SCALARS | st.lists(TEXTS, max_size=3).map(tuple), max_size=4)
TESTS = (
    SCALARS
    | st.dictionaries(st.sampled_from(["$eq", "$ne"]), SCALARS, min_size=1)
    | st.dictionaries(st.sampled_from(["$in", "$nin"]), st.lists(SCALARS, min_size=1, max_size=4), min_size=1)
    | st.dictionaries(st.sampled_from(["$gt", "$gte", "$lt", "$lte"]), NUMBERS, min_size=1)
)
FILTERS = st.recursive(
    st.dictionaries(FIELDS, TESTS, max_size=3),
    lambda inner: st.dictionaries(
        st.sampled_from(["$and", "$or"]), st.lists(inner, min_size=1, max_size=3), min_size=1
    ),
    max_leaves=6,
)


@settings(max_examples=300)
@given(FILTERS, METADATA)
def test_sql_and_python_agree(filter: dict[str, Any], metadata: Metadata) -> None:
    """A filter compiled to SQL accepts exactly the metadata that its evaluation in Python accepts."""
    condition = parse(filter)
    sql, parameters = to_sql(condition, "metadata")
    connection = sqlite3.connect(":memory:")
    stored = json.dumps(dict(metadata), ensure_ascii=False)
    query = f"SELECT count(*) FROM (SELECT ? AS metadata) WHERE {sql}"
    (count,) = connection.execute(query, (stored, *parameters)).fetchone()
    connection.close()
    assert bool(count) == matches(condition, metadata)


@pytest.mark.parametrize(
    ("filter", "expected"),
    [
        ({}, True),
        ({"unit": 4}, True),
        ({"unit": 4.0}, True),
        ({"unit": "4"}, False),
        ({"unit": True}, False),
        ({"tags": "pump"}, True),
        ({"tags": {"$in": ["valve", "hose"]}}, True),
        ({"tags": {"$nin": ["hose"]}}, True),
        ({"tags": {"$ne": "pump"}}, False),
        ({"unit": {"$gt": 3, "$lte": 4}}, True),
        ({"unit": {"$lt": 4}}, False),
        ({"tags": {"$gt": 0}}, False),
        ({"unit": 4, "lang": "nl"}, False),
        ({"$or": [{"unit": 5}, {"lang": "en"}]}, True),
        ({"$and": [{"unit": 4}, {"lang": "nl"}]}, False),
        ({"missing": {"$ne": 1}}, True),
        ({"missing": {"$nin": [1]}}, True),
        ({"missing": {"$lt": 1}}, False),
    ],
)
def test_a_filter_means_what_pinecone_says(filter: dict[str, Any], expected: bool) -> None:
    """Types are kept apart, a list matches by any element, a missing field only by a negation."""
    metadata: Metadata = {"unit": 4, "lang": "en", "tags": ("pump", "valve")}
    assert matches(parse(filter), metadata) is expected


def nested(depth: int) -> dict[str, Any]:
    return {"unit": 1} if depth == 0 else {"$and": [nested(depth - 1)]}


@pytest.mark.parametrize(
    "filter",
    [
        [],
        "unit = 4",
        {1: 2},
        {"unit": None},
        {"unit": [1]},
        {"unit": {}},
        {"unit": {"$regex": "x"}},
        {"unit": {"$gt": "3"}},
        {"unit": {"$gt": True}},
        {"unit": {"$in": []}},
        {"unit": {"$in": "abc"}},
        {"unit": {"$in": [None]}},
        {"unit": {"$in": ["x"] * 10_001}},
        {"unit": float("nan")},
        {"unit": 10**400},
        {"unit": "\0"},
        {"unit": "\ud800"},
        {"\ud800": "x"},
        {"$not": {"unit": 1}},
        {"$and": {}},
        {"$or": []},
        {"$and": [1]},
        nested(11),
        {"$or": [{"unit": i} for i in range(101)]},
    ],
)
def test_a_malformed_filter_is_refused(filter: Any) -> None:
    """Whatever is not a filter is an error with a code, before anything runs."""
    with pytest.raises(InvalidFilter) as caught:
        parse(filter)
    assert caught.value.code == "invalid_filter"


def test_the_deepest_and_widest_filter_still_compiles() -> None:
    """The limits keep every accepted filter within what SQLite can parse."""
    filter = {"$or": [{f"f{i}": {"$in": ["x", 1, True]}} for i in range(99)]}
    sql, parameters = to_sql(parse(filter), "metadata")
    connection = sqlite3.connect(":memory:")
    connection.execute(f"SELECT 1 FROM (SELECT '{{}}' AS metadata) WHERE {sql}", parameters).fetchall()
    connection.close()
