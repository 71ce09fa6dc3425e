import asyncio
import json
from pathlib import Path

import pytest

from benchmarks.calibrate import keep, run
from retrieval.embedders.minilm import MiniLmEmbedder
from retrieval.embedders.wordllama import WordLlamaEmbedder
from retrieval.fusion import VECTOR, base_scores
from retrieval.scale import DEFAULT, REFERENCE, CosineScale, Means, alike, means, means_over, measured, scale_of
from retrieval.types import Hit
from tests.ingest.crowded import crowded


def test_a_scale_maps_cosines_to_shares() -> None:
    """Nothing below its floor, all at its end."""
    scale = CosineScale(0.2, 0.5)
    assert [scale.share(cosine) for cosine in (-1, 0.2, 0.45, 0.7, 1)] == pytest.approx([0, 0, 0.5, 1, 1])


def test_each_local_embedder_has_the_scale_of_its_measured_means() -> None:
    """They are read from what `benchmarks.calibrate` wrote; the default embedder's give the reference."""
    assert set(means()) == {WordLlamaEmbedder.name, MiniLmEmbedder.name}
    assert (scale_of(DEFAULT).floor, scale_of(DEFAULT).span) == pytest.approx((REFERENCE.floor, REFERENCE.span))
    for name, found in means().items():
        scale = scale_of(name)
        shares = [(cosine - scale.floor) / scale.span for cosine in (found["background"], found["best"])]
        assert shares == pytest.approx([(0.074 - 0.1) / 0.7, (0.583 - 0.1) / 0.7])


def test_calibration_measures_and_keeps(tmp_path: Path) -> None:
    """The means over a corpus and its questions come into the file, beside those of other embedders."""
    rows = [{"id": f"d{n}", "title": f"Pump {n}", "text": f"The pump {n} moves glycol."} for n in range(20)]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "questions.jsonl").write_text(json.dumps({"question": "What does pump 7 move?", "gold": ["d7"]}) + "\n")
    keep(asyncio.run(run([tmp_path], "wordllama")), "wordllama", tmp_path / "scales.json")
    kept = json.loads((tmp_path / "scales.json").read_text())
    assert kept.keys() == means().keys()
    assert 0 < kept[DEFAULT]["background"] < kept[DEFAULT]["best"] < 1
    assert kept[MiniLmEmbedder.name] == means()[MiniLmEmbedder.name]


def test_an_embedder_that_tells_nothing_apart_has_no_scale() -> None:
    """Its best hit is as near as any passage."""
    with pytest.raises(ValueError):
        measured(0.5, 0.5)


def test_another_embedder_has_its_own_shares() -> None:
    """The same cosine counts for less where cosines are high."""
    crowded = measured(0.7, 0.9)
    legs = {VECTOR: [Hit("a", 0.75)]}
    assert base_scores(legs, crowded)["a"] < base_scores(legs)["a"] / 2


def test_a_crowded_space_is_measured_as_what_it_is() -> None:
    """Where all cosines are 0.7 and a share of 0.3 of the default embedder's, floor and span are just that."""
    texts = [f"The pump P-{n} feeds the {part}." for n, part in enumerate(("tower", "chiller", "valve", "heat sink"))]
    told = asyncio.run(WordLlamaEmbedder().embed([f"What does P-{n} feed?" for n in range(4)] + texts))
    found = [crowded(vector) for vector in told]
    scale = alike(means_over(found[:4], found[4:]), means_over(told[:4], told[4:]))
    assert (scale.floor, scale.span) == pytest.approx((0.7 + 0.3 * REFERENCE.floor, 0.3 * REFERENCE.span))


def test_what_tells_nothing_apart_has_no_scale_beside_the_default_either() -> None:
    """In either space."""
    apart, same = Means(background=0.1, best=0.6), Means(background=0.8, best=0.8)
    for found, default in ((same, apart), (apart, same)):
        with pytest.raises(ValueError):
            alike(found, default)


def test_one_that_was_not_measured_has_the_default() -> None:
    """A model of a server before its first ingest, say."""
    assert scale_of("some-model") == REFERENCE
