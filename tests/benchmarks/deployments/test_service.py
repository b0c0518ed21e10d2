"""The simulated service does what its conditions say."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import msgspec
import numpy as np
import pytest

from benchmarks.deployments.changes import CHANGES, INT4, NULLS, OLD, rolled_out
from benchmarks.deployments.service import (
    NEWCOMER,
    SUBJECTS,
    TOPICS,
    Behaviour,
    Conditions,
    Traffic,
    World,
    healthy,
)
from monitor.model.texts import response_of
from monitor.model.trace import Trace
from tests.stores import START, decoded

HOUR = timedelta(hours=1)


def drawn(seed: int) -> tuple[Traffic, Conditions, np.random.Generator]:
    random = np.random.default_rng(seed)
    world, before = World.drawn(random), healthy(random)
    return Traffic(world, random), before, random


def topic_shares(traces: list[Trace]) -> np.ndarray:
    found = Counter(
        next(subject for subject in SUBJECTS if f" {subject} " in (trace.prompt_text or "")) for trace in traces
    )
    return np.array([found[subject] / len(traces) for subject in SUBJECTS])


def test_the_same_seed_gives_the_same_traces() -> None:
    (one, before, _), (two, _, _) = drawn(3), drawn(3)

    assert one.traces(before, START, HOUR, 50) == two.traces(before, START, HOUR, 50)


def test_traces_are_records_that_the_codec_takes_with_their_vectors() -> None:
    traffic, before, _ = drawn(0)
    found = decoded([msgspec.json.encode(trace) for trace in traffic.traces(before, START, HOUR, 20)])

    assert [sorted(item.vectors) for item in found] == [["prompt", "response"]] * 20
    assert all(np.linalg.norm(item.vectors["prompt"].values) == pytest.approx(1.0, abs=1e-2) for item in found)


def test_topics_and_tenants_have_their_shares() -> None:
    traffic, before, _ = drawn(1)
    traces = traffic.traces(before, START, HOUR, 3_000)
    tenants = Counter(trace.segment.tenant for trace in traces)

    assert topic_shares(traces) == pytest.approx(before.topics, abs=0.04)
    assert {name: tenants[name] / 3_000 for name in before.tenants} == pytest.approx(before.tenants, abs=0.05)
    assert len({trace.segment.session_id for trace in traces}) < 1_500


def test_a_rollout_answers_its_share_and_behaves_as_it_is_told() -> None:
    traffic, before, _ = drawn(2)
    refusing = replace(INT4, behaviour=Behaviour(refusals=0.5))
    traces = traffic.traces(rolled_out(before, refusing, 0.3), START, HOUR, 2_000)
    refused = {model: [response_of(trace).startswith("I'm sorry") for trace in traces if trace.model is model
                       and not (trace.cache and trace.cache.hit)] for model in (OLD.model, INT4.model)}  # fmt: skip

    assert sum(trace.model is INT4.model for trace in traces) / 2_000 == pytest.approx(0.3, abs=0.04)
    assert np.mean(refused[INT4.model]) == pytest.approx(0.5, abs=0.1)
    assert np.mean(refused[OLD.model]) < 0.06


@pytest.mark.parametrize("name", [*CHANGES, *NULLS])
def test_a_change_leaves_what_it_does_not_name_as_it_was(name: str) -> None:
    draw, of_traffic = {**CHANGES, **NULLS}[name]
    _, before, random = drawn(4)
    found = draw(random, before)
    after = found.after

    assert sum(share for share, _ in after.deployments) == pytest.approx(1.0)
    assert after.topics.sum() == pytest.approx(sum(after.tenants.values())) == pytest.approx(1.0)
    behaves = {deployment.behaviour for _, deployment in after.deployments}
    moved = (after.topics != before.topics).any() or after.tenants != before.tenants
    assert moved == (found.kind in ("traffic_mix", "new_topic", "tenant"))
    assert (behaves == {Behaviour()} and not after.stale) == (of_traffic)
    assert (after.topics[TOPICS:] > 0).any() == (found.kind == "new_topic")
    assert (NEWCOMER in after.tenants) == (found.kind == "tenant")
