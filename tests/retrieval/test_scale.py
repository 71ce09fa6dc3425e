import pytest

from retrieval.fusion import VECTOR, base_scores
from retrieval.scale import REFERENCE, SCALES, CosineScale, measured, scale_of
from retrieval.types import Hit


def test_a_scale_maps_cosines_to_shares() -> None:
    """Nothing below its floor, all at its end."""
    scale = CosineScale(0.2, 0.5)
    assert [scale.share(cosine) for cosine in (-1, 0.2, 0.45, 0.7, 1)] == pytest.approx([0, 0, 0.5, 1, 1])


def test_the_means_of_an_embedder_decide_its_scale() -> None:
    """Those of the default embedder give the reference, those that were measured of the other give its own."""
    for scale, (background, best) in {
        REFERENCE: (0.074, 0.583),
        SCALES["all-minilm-l6-v2-int8"]: (0.061, 0.613),
    }.items():
        found = measured(background, best)
        assert (found.floor, found.span) == pytest.approx((scale.floor, scale.span), abs=0.006)


def test_an_embedder_that_tells_nothing_apart_has_no_scale() -> None:
    """Its best hit is as near as any passage."""
    with pytest.raises(ValueError):
        measured(0.5, 0.5)


def test_another_embedder_has_its_own_shares() -> None:
    """The same cosine counts for less where cosines are high."""
    crowded = measured(0.7, 0.9)
    legs = {VECTOR: [Hit("a", 0.75)]}
    assert base_scores(legs, crowded)["a"] < base_scores(legs)["a"] / 2


def test_one_that_was_not_measured_has_the_default() -> None:
    """A model of a server, say."""
    assert scale_of("some-model") == REFERENCE
