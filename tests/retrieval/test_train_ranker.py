import numpy as np
import pytest

from benchmarks.train_ranker import STRIDE, Example, fold_of, judged, recalls, train, validated
from retrieval.features import NAMES


def example(set: str, corpus: str, gold: str, useful: float) -> Example:
    """Three candidates, of which the one for document `gold` has `useful` in the first feature."""
    x = np.zeros((3, len(NAMES)))
    x[1, 0] = useful
    return Example(set, corpus, x, np.array([False, True, False]), ["x", gold, "y"], frozenset([gold]))


def test_training_finds_the_feature_that_tells() -> None:
    """Its weight has the right sign, those of features that never vary are zero."""
    weights = train([example("a_train", "a", f"d{i}", 1.0) for i in range(9)])
    assert weights[0] > 0
    assert not weights[1:-1].any()
    assert weights[-1] == STRIDE
    assert recalls(example("a_train", "a", "d", 1.0), weights) == [1.0] * 4


def test_figures_are_of_questions_not_trained_on() -> None:
    """Two corpora that contradict each other: what is learnt on the one fails on the other."""
    given = [example("a_train", "a", f"d{i}", 1.0) for i in range(5)]
    given += [example("b_train", "b", f"d{i}", -1.0) for i in range(5)]
    figures = validated(given, lambda index: given[index].corpus)
    assert figures["a_train"][0] == figures["b_train"][0] == 0.0


def test_questions_that_share_a_passage_are_in_one_fold() -> None:
    """Also over a third question; the same id in another corpus is another passage."""
    given = [example("a", "a", f"d{i}", 1.0) for i in range(40)]
    chain = Example("a", "a", given[0].x, given[0].gold, given[0].documents, frozenset(["d3", "d30"]))
    fold = fold_of([*given, chain])
    assert fold(3) == fold(30) == fold(40)
    assert len({fold(index) for index in range(40)}) == pytest.approx(5)


def test_figures_are_of_the_order_that_is_served() -> None:
    """Where a chain begins comes before what it leads to, as in a search."""
    weights = np.zeros(len(NAMES) + 1)
    weights[0] = 1.0
    x = np.zeros((2, len(NAMES)))
    x[1, 0] = 1.0
    gold = np.array([True, False])
    assert recalls(Example("a", "a", x, gold, ["begins", "follows"], frozenset(["begins"])), weights)[0] == 0.0
    led = Example("a", "a", x, gold, ["begins", "follows"], frozenset(["begins"]), frozenset([1]))
    assert recalls(led, weights)[0] == 1.0


def test_figures_know_the_walk() -> None:
    """The third passage of a chain has nothing but the way there."""
    x = np.zeros((4, len(NAMES)))
    x[:, 0] = [3.0, 2.0, 0.5, 0.4]
    chain = Example(
        "a",
        "a",
        x,
        np.array([True, True, False, True]),
        ["a", "b", "x", "c"],
        frozenset("abc"),
        ways={(0, 1): 0.9, (1, 3): 0.9},
    )
    weights = np.zeros(len(NAMES) + 1)
    weights[0] = 1.0
    assert judged(chain, weights).argsort().tolist() == [3, 2, 1, 0]
    weights[-1] = STRIDE
    assert judged(chain, weights).argsort().tolist() == [2, 3, 1, 0]
