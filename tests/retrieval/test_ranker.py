import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.embedders.minilm import MiniLmEmbedder
from retrieval.embedders.wordllama import WordLlamaEmbedder
from retrieval.features import NAMES, features
from retrieval.fusion import GRAPH, KEYWORD, VECTOR, base_scores, ranked
from retrieval.pool import ASSURED, Pool, assured, begun, candidates, pool, together, uncounted
from retrieval.ranker import FILES, WALK, Ranker, shipped, trained
from retrieval.types import Frequencies, Hit, Link, Passage
from retrieval.walk import walked

QUESTION = "Where was the director of The Prairie King born?"
TEXTS = {
    "film": ("The Prairie King (film)", "A film, the director of which is B. Reeves Eason. It stars Hoot Gibson."),
    "eason": ("B. Reeves Eason", "He was born in Massachusetts."),
    "gibson": ("Hoot Gibson", "An actor and rodeo champion."),
    "other": ("Ride Alone", "A film by the same director."),
}
LEGS = {
    VECTOR: [Hit("film", 0.6), Hit("other", 0.5), Hit("gibson", 0.2)],
    KEYWORD: [Hit("film", 9.0), Hit("other", 3.0)],
    GRAPH: [Hit("film", 1.0)],
}
LINKS = [
    Link("film", "eason", "title", 1.0, "B. Reeves Eason", 30),
    Link("film", "gibson", "title", 1.0, "Hoot Gibson", 58),
    Link("film", "other", "shared", 0.2, "B. Reeves Eason", 30),
    Link("film", "gone", "next", 0.3),
]
COUNTED = Frequencies(100, {"director": 20, "prairie": 1, "king": 4, "born": 30})


def made(question: str, counted: Frequencies, legs: dict[str, list[Hit]], links: list[Link]) -> Pool:
    base = base_scores(legs)
    expanded = candidates(base, links)
    passages = [Passage(id, id, *TEXTS[id]) for id in ranked(expanded) if id in TEXTS]
    return pool(question, counted, passages, legs, base, expanded, links)


def test_the_weights_of_words_sum_to_one() -> None:
    """Rare words weigh more, and one that no passage has weighs most."""
    weights = made(QUESTION, Frequencies(100, {"born": 50, "prairie": 1, "xyzzy": 0}), LEGS, LINKS).terms
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["xyzzy"] > weights["prairie"] > weights["born"] > 0


def test_uncounted_words_weigh_the_same() -> None:
    """When the index does not answer."""
    weights = made(QUESTION, uncounted(QUESTION), LEGS, LINKS).terms
    assert weights == pytest.approx(dict.fromkeys(["director", "prairie", "king", "born"], 0.25))


def test_features_of_a_passage() -> None:
    """What of the question stands in it, in any inflection, and whether it is named there without its bracket."""
    own = features(made(QUESTION, uncounted(QUESTION), LEGS, []))["film"]
    assert own["title_cover"] == pytest.approx(0.5)
    assert (own["vector_rank"], own["expanded"], own["named"]) == (1.0, 1.0, 1.0)


def test_features_of_a_link() -> None:
    """What the candidate has of the question that its parent lacks, and what they have together."""
    found = features(made(QUESTION, uncounted(QUESTION), LEGS, LINKS))
    assert found["eason"]["title"] == 1.0
    assert found["eason"]["gain"] == pytest.approx(0.25)
    assert found["eason"]["joint"] == pytest.approx(1.0)
    assert found["gibson"]["gain"] == 0.0
    assert found["other"]["shared"] == pytest.approx(0.2)
    assert found["film"]["pagerank"] == 1.0


def test_the_passage_that_completes_the_chain_comes_before_one_that_does_not() -> None:
    """Both are linked from the first; only one has what was asked."""
    order = list(trained().rank(made(QUESTION, COUNTED, LEGS, LINKS)))
    assert order.index("film") < 2
    assert order.index("eason") < order.index("gibson")


def test_the_walk_reaches_the_third_passage_of_a_chain() -> None:
    """It has no word of the question, and is linked from the second only, which the first pass finds."""
    links = [*LINKS, Link("eason", "third", "title", 1.0, "Third", 3)]
    texts = {"third": ("Third", "Nothing of that."), "gone": ("Gone", "Nothing either.")}
    before = made(QUESTION, COUNTED, LEGS, links)
    passages = [*before.passages, *(Passage(id, id, *text) for id, text in texts.items())]
    expanded = before.expanded | {"third": 0.0, "gone": 0.0}
    longer = pool(QUESTION, COUNTED, passages, LEGS, before.base, expanded, links)
    weights = {"gain": 20.0, "expanded": 3.0}
    shares = [Ranker(weights | {WALK: stride}).rank(longer) for stride in (0.0, 3.0)]
    assert shares[0]["third"] == shares[0]["gone"]
    assert shares[1]["third"] > 1.05 * shares[1]["gone"]


def test_a_walk_stays_where_there_is_no_way() -> None:
    """Places without ways have what they began with; the best has 1; nothing anywhere is nothing."""
    visits = walked({"a": 0.5, "b": 0.25, "c": 0.25}, {("a", "b"): 0.4})
    assert visits["a"] == 1.0
    assert visits["b"] > visits["c"] > 0
    assert walked({"a": 1.0}, {("a", "b"): 0.4, ("b", "c"): 0.4})["c"] > 0
    assert walked({"a": 0.0}, {("a", "b"): 0.4}) == {}


def test_each_embedder_has_weights_of_its_own() -> None:
    """Those that were trained with it; what was not measured has the default one's."""
    for name in FILES:
        assert shipped(name)["embedder"] == name
        assert shipped(name)["weights"].keys() == {*NAMES, WALK}
    assert shipped("some-model") == shipped()
    assert {scale.name for scale in (WordLlamaEmbedder, MiniLmEmbedder)} == set(FILES)


SHARES = st.floats(0, 1)
IDS = st.sampled_from([*TEXTS, "gone"])
HITS = st.lists(st.builds(Hit, IDS, SHARES), max_size=6, unique_by=lambda hit: hit.passage)
KINDS = st.sampled_from(["title", "mentioned", "shared", "next", "previous"])
SOME_LINKS = st.lists(st.builds(Link, IDS, IDS, KINDS, SHARES, st.sampled_from(["", "Eason"])), max_size=12)
WORDS = st.dictionaries(st.sampled_from(["director", "born", "who", "x"]), st.integers(0, 10**6), max_size=4)


@given(
    st.fixed_dictionaries({VECTOR: HITS, KEYWORD: HITS, GRAPH: HITS}),
    SOME_LINKS,
    st.builds(Frequencies, st.integers(0, 10**6), WORDS),
    st.text(max_size=40),
)
def test_any_pool_is_ranked(legs: dict[str, list[Hit]], links: list[Link], counted: Frequencies, text: str) -> None:
    """Every candidate once, finite features with known names, probabilities that sum to one and fall."""
    given_pool = made(text, counted, legs, [link for link in links if link.source != link.target])
    for own in features(given_pool).values():
        assert set(own) <= set(NAMES)
        assert all(math.isfinite(value) for value in own.values())
    shares = trained().rank(given_pool)
    assert sorted(shares) == sorted(passage.id for passage in given_pool.passages)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert not shares or sum(shares.values()) == pytest.approx(1)


def test_a_weight_for_an_unknown_feature_is_refused() -> None:
    """Weights and features that do not fit together are told at once, not ranked by."""
    with pytest.raises(ValueError, match="charm"):
        Ranker({"charm": 1.0})


def test_without_weights_ties_go_by_id() -> None:
    """The order is the same on every run."""
    assert list(Ranker({}).rank(made(QUESTION, COUNTED, LEGS, LINKS))) == sorted(TEXTS)


def test_the_first_hits_of_the_legs_have_a_place() -> None:
    """However low they are judged; what is there already keeps its place, and nothing is lost."""
    order = [f"p{i}" for i in range(20)]
    legs = {VECTOR: [Hit("p15", 0.2)], KEYWORD: [Hit("p2", 1.0)]}
    placed = assured(order, legs)
    assert placed[:ASSURED] == [*order[: ASSURED - 1], "p15"]
    assert sorted(placed) == sorted(order)
    assert assured(order, {VECTOR: [Hit("gone", 0.9)]}) == order
    assert assured(order[:3], legs) == order[:3]
    assert assured([], {}) == []


def test_a_chain_begins_where_it_is_entered() -> None:
    """The best passage comes before the one it leads to, when it is right behind it; nothing else moves."""
    assert begun(["eason", "film", "other"], "film", {"eason"}) == ["film", "eason", "other"]
    assert begun(["eason", "film", "other"], "film", {"other"}) == ["eason", "film", "other"]
    assert begun(["eason", "other", "film"], "film", {"eason"}) == ["eason", "other", "film"]
    assert begun(["film"], "film", {"film"}) == ["film"]
    assert begun([], "film", set()) == []


def test_a_text_that_was_cut_in_two_stays_together() -> None:
    """The first passage's neighbour comes among the first five when a leg finds it too; otherwise nothing moves."""
    order = [f"p{i}" for i in range(9)]
    links = [Link("p0", "p8", "next", 0.3), Link("p0", "p7", "shared", 0.3), Link("p3", "p6", "next", 0.3)]
    legs = {VECTOR: [Hit("p1", 0.9), Hit("p7", 0.8), Hit("p8", 0.7)], KEYWORD: [Hit("p6", 9.0)]}
    assert together(order, legs, links) == ["p0", "p1", "p2", "p3", "p8", "p4", "p5", "p6", "p7"]
    assert together(order, {VECTOR: legs[VECTOR][:2]}, links) == order
    assert together(order, legs, links[1:]) == order
    assert together([], legs, links) == []
