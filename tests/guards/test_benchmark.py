import json

import pytest

from benchmarks.guarded_legs import legs
from benchmarks.guarded_questions import all_faulty, faulty, patient


@pytest.mark.slow
async def test_a_leg_that_is_gone_costs_its_deadline_and_then_nothing() -> None:
    """Figures for legs that are far away, and for one that hangs or refuses until its breaker opens. The deadline is
    longer than that of the benchmark: no pause of a busy machine may pass for a leg that hangs."""
    figures = await legs(rounds=2, deadline_s=5.0)
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
    assert figures["faults"]["model"]
    assert figures["ends"]["completed"] >= 50
    json.dumps(figures)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_every_question_has_an_end_when_everything_fails() -> None:
    """With a model, vectors on Pinecone and a graph in Neo4j that each fail in one call of twenty."""
    figures = await all_faulty(100, at_once=10)
    assert figures["all_hangs"] == 0
    assert sum(figures["all_ends"].values()) == 100
    assert all(figures["all_faults"].values())
    json.dumps(figures)


@pytest.mark.slow
async def test_many_at_once_take_no_thread_more_and_none_hangs() -> None:
    """One, five and a hundred questions to a model that takes two seconds: one is answered within 5 s and five within
    10 s, and each of a hundred has an end. A hundred take not one thread more than one."""
    figures = await patient()
    assert [figures[f"at_once_{n}_completed"] for n in (1, 5)] == [1, 5]
    assert figures["at_once_100_hangs"] == 0
    assert figures["at_once_1_longest_s"] < 5
    assert figures["at_once_5_longest_s"] < 10
    assert figures["at_once_100_threads"] == figures["at_once_1_threads"]
