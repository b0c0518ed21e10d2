"""From stored traces to a diagnosis: which times are read, and what is made of the traces in them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from detectors.effect import Effect
from detectors.reference import fit
from monitor.explaining import PANES, diagnose, spread, windows
from monitor.model.baseline import Baseline
from monitor.model.build import build_of
from monitor.model.diagnosis import Case
from monitor.model.scored import Scored
from monitor.model.segment import Segment
from monitor.model.verdict import Verdict
from tests.stores import PANE, START, decoded, line, small_baseline

ALL = Segment()
DIMENSION = 16
TOPICS = ("the refund of my card", "the weather in my town", "a song for my child", "the height of my hill")
CENTRES = np.random.default_rng(1).normal(size=(len(TOPICS), DIMENSION))


def test_a_short_time_is_read_whole_and_a_long_one_in_panes() -> None:
    stop = START + 640 * PANE
    found = spread(START, stop, PANE)

    assert spread(START, START + PANES * PANE, PANE) == [(START, START + PANES * PANE)]
    assert found == [(START + 10 * step * PANE, START + (10 * step + 1) * PANE) for step in range(PANES)]
    assert spread(START, START, PANE) == spread(stop, START, PANE) == []


def test_panes_of_a_long_time_do_not_overlap() -> None:
    found = spread(START, START + 128.5 * PANE, PANE)

    assert len(found) == PANES
    assert all(before[1] <= after[0] for before, after in pairwise(found))
    assert found[-1] == (START + 126 * PANE, START + 127 * PANE)


def window_of(onset: int, until: int, *, judged_from: datetime = START) -> tuple[Sequence[Any], ...]:
    baseline = replace(small_baseline(judged_from=judged_from), since=START - 10 * PANE, until=START)
    found = windows(baseline, START + onset * PANE, START + until * PANE, PANE)
    return found.reference, found.recent, found.new


def test_as_long_before_the_onset_as_the_drift_has_lasted_is_left_out() -> None:
    tick = timedelta(microseconds=1)
    reference, recent, new = window_of(40, 45)

    assert reference == [(START - 10 * PANE, START + tick)]
    assert recent == [(START + tick, START + 35 * PANE)]
    assert new == [(START + 40 * PANE, START + 45 * PANE)]
    assert window_of(40, 41)[1] == [(START + tick, START + 38 * PANE)]


def test_panes_that_shaped_the_maps_are_not_compared() -> None:
    baseline = replace(small_baseline(judged_from=START), since=START - 9.5 * PANE, until=START)
    shaped = tuple(START - back * PANE for back in (10, 7, 6, 1))
    found = windows(replace(baseline, shaped=shaped), START + 40 * PANE, START + 45 * PANE, PANE).reference
    tick = timedelta(microseconds=1)

    assert found == [
        *((START - back * PANE, START - (back - 1) * PANE) for back in (9, 8, 5, 4, 3, 2)), (START, START + tick)
    ]  # fmt: skip


def test_of_a_long_baseline_some_panes_are_read_that_shaped_no_map() -> None:
    baseline = replace(small_baseline(judged_from=START), since=START - 300 * PANE, until=START)
    shaped = tuple(START - back * PANE for back in range(300, 0, -3))
    found = windows(replace(baseline, shaped=shaped), START + 40 * PANE, START + 45 * PANE, PANE).reference

    assert len(found) == PANES
    assert not {start for start, _ in found} & set(shaped)
    assert (found[0][0], all(before[1] <= after[0] for before, after in pairwise(found))) == (START - 299 * PANE, True)


def test_a_drift_from_the_start_has_no_time_before_but_the_baselines_own() -> None:
    assert window_of(1, 4)[1] == []


def test_only_the_last_hour_before_is_read() -> None:
    assert window_of(400, 402)[1] == [(START + (398 - PANES) * PANE, START + 398 * PANE)]


def traces(seed: int, n: int, shares: Sequence[float] = (0.25,) * 4, *, longer: float = 0.0, **fields: Any) -> Scored:
    """Traces on four topics, with answers of 100 tokens more or less and some more."""
    random = np.random.default_rng(seed)
    chosen = random.choice(len(TOPICS), n, p=shares)
    lines = [
        line(1_000 * seed + i, START, prompt=f"Tell me {TOPICS[topic]}", **fields) for i, topic in enumerate(chosen)
    ]
    return Scored(
        decoded(lines),
        {
            "prompt.embedding": (CENTRES[chosen] + 0.3 * random.normal(size=(n, DIMENSION))).astype(np.float32),
            "response.tokens": 60.0 * (chosen == 0) + random.normal(100.0 + longer, 20.0, size=n),
        },
        {},
    )


BEFORE = traces(1, 800)
STACK, REFERENCES = fit(BEFORE.columns, {"prompt.embedding": "vector", "response.tokens": "scalar"}, seed=0)
BASELINE = replace(small_baseline(), stack=STACK, references={ALL: REFERENCES})


def case(after: Scored, *signals: str, baseline: Baseline = BASELINE) -> Case:
    effect = Effect("psi", 0.4, 100.0, 130.0, 0.3, 0.0, 0.0)
    drifting = [
        Verdict(ALL, signal, 1, START, 60.0, effect, 24.0, 12.0, drifted=True, onset=START, shares={})
        for signal in signals
    ]
    directions = {name: np.zeros(STACK.maps[name].size) for name in signals}
    for name in signals:
        features = STACK.maps[name].apply(after.columns[name]).mean(axis=0, dtype=np.float64)
        directions[name] = features - REFERENCES[name].mean
    return Case(BEFORE, after, baseline, drifting, directions)


def test_longer_answers_of_a_new_build_are_behaviour_of_that_build() -> None:
    after = traces(2, 200, longer=40.0, version="2")
    told = diagnose(case(after, "response.tokens"))

    assert told is not None
    build = build_of(after.traces[0].trace)
    assert [(cause.kind, cause.name) for cause in told.causes] == [("build", build), ("unexplained", "")]
    assert told.behaviour["response.tokens"] == pytest.approx(1.0, abs=0.15)
    assert told.prompts_moved is False
    assert told.traces == (800, 200)
    assert told.source == f"on build {build}"
    assert told.detail.endswith("; the prompts did not move; longer answers")


def test_longer_answers_because_of_other_questions_are_mix_and_no_fault_of_a_new_build() -> None:
    after = traces(2, 200, (0.85, 0.05, 0.05, 0.05), version="2")
    told = diagnose(case(after, "response.tokens", "prompt.embedding"))

    assert told is not None
    assert [cause.kind for cause in told.causes] == ["traffic_mix", "unexplained"]
    assert told.behaviour["response.tokens"] == pytest.approx(0.0, abs=0.2)
    assert told.prompts_moved is True


def test_when_only_the_length_of_prompts_drifts_the_prompts_moved() -> None:
    column = {"prompt.characters": BEFORE.columns["response.tokens"]}
    stack, references = fit({**BEFORE.columns, **column}, {"prompt.embedding": "vector", "prompt.characters": "scalar"},
                            seed=0)  # fmt: skip
    after = traces(2, 200, longer=20.0)
    later = replace(after, columns={**after.columns, "prompt.characters": after.columns["response.tokens"]})
    found = case(after, "response.tokens")
    told = diagnose(
        Case(
            replace(BEFORE, columns={**BEFORE.columns, **column}), later,
            replace(BASELINE, stack=stack, references={ALL: references}),
            [replace(found.drifting[0], signal="prompt.characters")],
            {"prompt.characters": np.ones(stack.maps["prompt.characters"].size)},
        )
    )  # fmt: skip

    assert told is not None
    assert told.prompts_moved is True
    assert told.behaviour["prompt.characters"] in (0.0, None)


def test_one_topic_that_is_answered_otherwise_is_named_by_its_words() -> None:
    after, changed = traces(2, 400, version="2"), traces(2, 400, version="2", longer=60.0)
    refunds = np.array(["refund" in (item.trace.prompt_text or "") for item in after.traces])
    tokens = np.where(refunds, changed.columns["response.tokens"], after.columns["response.tokens"])
    told = diagnose(case(replace(after, columns={**after.columns, "response.tokens": tokens}), "response.tokens"))

    assert told is not None
    assert told.causes[0].kind == "build"
    assert told.detail.endswith("; longer answers about card and refund")


def test_examples_are_far_along_the_change_and_have_similar_prompts_before() -> None:
    after = traces(2, 200, longer=60.0, version="2")
    told = diagnose(case(after, "response.tokens"))

    assert told is not None
    assert len({example.trace.id for example in told.examples}) == 5
    places = [example.place for example in told.examples]
    assert places == sorted(places, reverse=True)
    assert all(place > 1.0 for place in places)
    pairs = [(example.trace, example.counterpart) for example in told.examples]
    assert all(before is not None and now.prompt_text == before.prompt_text for now, before in pairs)


def test_without_embeddings_prompts_are_matched_by_length_and_nothing_is_said_of_them() -> None:
    plain = {name: column for name, column in BEFORE.columns.items() if name != "prompt.embedding"}
    baseline = replace(BASELINE, references={ALL: {"response.tokens": REFERENCES["response.tokens"]}})
    after = traces(2, 200, longer=40.0, version="2")
    bare = replace(after, columns={"response.tokens": after.columns["response.tokens"]})
    found = case(after, "response.tokens", baseline=baseline)
    told = diagnose(replace(found, before=replace(BEFORE, columns=plain), after=bare))

    assert told is not None
    assert told.causes[0].kind == "build"
    assert told.prompts_moved is None
    assert "prompts" not in told.detail
    assert all(example.counterpart is not None for example in told.examples)


def test_the_same_traces_give_the_same_diagnosis() -> None:
    found = [diagnose(case(traces(2, 200, longer=40.0, version="2"), "response.tokens")) for _ in range(2)]

    assert found[0] is not None
    assert found[1] is not None
    assert found[0].evidence() == found[1].evidence()


def test_latency_alone_is_never_laid_to_a_model_that_no_label_tells_of() -> None:
    after = traces(2, 200, longer=40.0)
    kinds = {}
    for signal in ("response.tokens", "latency"):
        stack, references = fit({signal: BEFORE.columns["response.tokens"]}, {signal: "scalar"}, seed=0)
        baseline = replace(BASELINE, stack=stack, references={ALL: references})
        columns = {"prompt.embedding": after.columns["prompt.embedding"], signal: after.columns["response.tokens"]}
        before = {"prompt.embedding": BEFORE.columns["prompt.embedding"], signal: BEFORE.columns["response.tokens"]}
        found = case(after, "response.tokens", baseline=baseline)
        verdict = replace(found.drifting[0], signal=signal)
        directions = {signal: np.ones(stack.maps[signal].size)}
        told = diagnose(
            Case(replace(BEFORE, columns=before), replace(after, columns=columns), baseline, [verdict], directions)
        )
        assert told is not None
        kinds[signal] = told.causes[0].kind

    assert kinds == {"response.tokens": "model", "latency": "unexplained"}


def test_a_change_has_its_size_in_its_unit_and_in_standard_deviations() -> None:
    sizes = []
    for seed in range(2, 42):
        told = diagnose(case(traces(seed, 200, longer=20.0, version="2"), "response.tokens"))
        assert told is not None
        sizes.append(told.sizes["response.tokens"])
    native = [size.native for size in sizes if size.native is not None]

    assert sizes[0].before == pytest.approx(115.0, abs=5.0)  # a quarter of the questions has answers of 160 tokens
    assert np.mean([estimate.value for estimate in native]) == pytest.approx(20.0, abs=2.0)
    assert sum(estimate.low <= 20.0 <= estimate.high for estimate in native) >= 35
    assert np.mean([size.shift.value for size in sizes]) == pytest.approx(0.6, abs=0.25)
    assert all(size.shift.low < size.shift.value < size.shift.high for size in sizes)


def test_a_vector_has_a_size_without_a_unit() -> None:
    told = diagnose(case(traces(2, 200, (0.85, 0.05, 0.05, 0.05)), "prompt.embedding"))

    assert told is not None
    assert told.sizes["prompt.embedding"].native is None
    assert told.sizes["prompt.embedding"].shift.low > 0.2


def test_too_few_traces_explain_nothing() -> None:
    assert diagnose(case(traces(2, 19, longer=40.0), "response.tokens")) is None
