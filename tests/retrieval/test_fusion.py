import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.fusion import GRAPH, KEYWORD, VECTOR, base_scores, expanded, link_weights, ranked, reciprocal_ranks
from retrieval.types import Hit, Link

HITS = st.lists(
    st.builds(Hit, st.sampled_from("abcdefgh"), st.floats(-1, 1)), max_size=8, unique_by=lambda hit: hit.passage
)
LEGS = st.fixed_dictionaries({VECTOR: HITS, KEYWORD: HITS, GRAPH: HITS})


def test_the_base_score_is_the_formula() -> None:
    """0.5 clip((cos - 0.1) / 0.7) + 0.5 bm25 / max + 0.35 name, each where a leg brought the passage."""
    scores = base_scores(
        {
            VECTOR: [Hit("a", 0.45), Hit("b", 0.95), Hit("c", -0.3)],
            KEYWORD: [Hit("a", 12.0), Hit("d", 3.0)],
            GRAPH: [Hit("a", 0.6), Hit("e", 1.0)],
        }
    )
    expected = {"a": 0.25 + 0.5 + 0.21, "b": 0.5, "c": 0.0, "d": 0.125, "e": 0.35}
    assert scores == pytest.approx(expected)


def test_a_linked_passage_follows_the_one_that_names_it() -> None:
    """It gets 0.9 w b(s) (0.6 + 0.4 b(t) / max b), and keeps its own score when that is higher."""
    scores = {"s": 0.8, "t": 0.4, "strong": 0.79}
    weights = {("s", "t"): 1.0, ("s", "new"): 0.5, ("s", "strong"): 1.0}
    assert expanded(scores, weights) == pytest.approx(
        {"s": 0.8, "t": 0.9 * 0.8 * 0.8, "new": 0.9 * 0.5 * 0.8 * 0.6, "strong": 0.79}
    )


@given(LEGS)
def test_the_base_score_is_bounded(legs: dict[str, list[Hit]]) -> None:
    """Whatever the legs bring, a score lies between 0 and 1.35, and every passage has one."""
    scores = base_scores(legs)
    assert set(scores) == {hit.passage for hits in legs.values() for hit in hits}
    assert all(0 <= score <= 1.35 for score in scores.values())


@given(LEGS, HITS)
def test_expansion_never_lowers_a_score_nor_passes_its_source(legs: dict[str, list[Hit]], links: list[Hit]) -> None:
    """A link only helps, and what it brings stays below the passage that it came from."""
    scores = base_scores(legs)
    for source in scores:
        weights = link_weights(Link(source, hit.passage, "title", hit.score) for hit in links)
        after = expanded(scores, weights)
        assert all(after[passage] >= score for passage, score in scores.items())
        assert all(after[p] <= max(scores.get(p, 0.0), scores[source]) for p in after)


def test_links_over_several_names_are_independent_hints() -> None:
    """1 - product of (1 - weight), where the strongest link over one name counts."""
    links = [
        Link("s", "t", "shared", 0.3, "Delft"),
        Link("s", "t", "title", 0.5, "Motor M-5"),
        Link("s", "t", "shared", 0.2, "Motor M-5"),
        Link("s", "u", "next", 0.3),
    ]
    assert link_weights(links) == pytest.approx({("s", "t"): 1 - 0.7 * 0.5, ("s", "u"): 0.3})


def test_ties_go_by_id() -> None:
    """The order of passages is the same on every run."""
    scores = dict.fromkeys("hgfedcba", 1.0) | {"z": 2.0}
    assert ranked(scores) == ["z", *"abcdefgh"]


def test_nothing_found_is_nothing_ranked() -> None:
    """Empty legs fuse to nothing."""
    assert base_scores({VECTOR: [], KEYWORD: []}) == {}
    assert expanded({}, {}) == {}
    assert link_weights([]) == {}


def test_reciprocal_ranks_add_up() -> None:
    """1 / (60 + rank), summed over the legs."""
    scores = reciprocal_ranks({VECTOR: [Hit("a", 9), Hit("b", 8)], KEYWORD: [Hit("b", 7)]})
    assert scores == pytest.approx({"a": 1 / 61, "b": 1 / 62 + 1 / 61})
