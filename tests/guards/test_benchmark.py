import json

from benchmarks.guarded_legs import legs
from benchmarks.guarded_questions import faulty


async def test_a_leg_that_is_gone_costs_its_deadline_and_then_nothing() -> None:
    """Figures for legs that are far away, and for one that hangs or refuses until its breaker opens."""
    figures = await legs(rounds=2)
    assert figures["hangs_contexts_until_open"] >= 5
    assert figures["refuses_contexts_until_open"] >= 1
    assert figures["far_ms"] >= 300
    assert figures["hangs_open_leg_longest_ms"] < figures["leg_deadline_ms"]
    json.dumps(figures)


async def test_every_question_has_an_end() -> None:
    """With a model that fails in one call of twenty, nothing hangs, and nearly all are answered."""
    figures = await faulty(60, at_once=20)
    assert figures["hangs"] == 0
    assert sum(figures["ends"].values()) == 60
    assert figures["faults"]
    assert figures["ends"]["completed"] >= 50
    json.dumps(figures)
