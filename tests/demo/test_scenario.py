from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

from monitor.codec import Limits, decode_batch
from monitor.demo.answers import DAMAGED, HEALTHY
from monitor.demo.knowledge import knowledge
from monitor.demo.scenario import bad_build, exchanges, good_build, scenario
from monitor.model.build import build_of
from monitor.model.record import Partition, Record
from monitor.model.texts import prompt_of, response_of
from monitor.model.trace import Trace

START = datetime(2025, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def day() -> list[Trace]:
    return list(exchanges(11, traces=4000, start=START, span=DAY, change_at=0.5))


def outcomes(traces: Sequence[Trace]) -> dict[str, float]:
    """Shares of outcomes among the questions that a page answers, and of honesty among the others."""
    found = Counter((len(trace.context), trace.extra["scenario"]["outcome"]) for trace in traces)
    return {outcome: count / len(traces) for (_, outcome), count in found.items()}


def test_the_same_seed_gives_the_same_bytes_and_another_one_others() -> None:
    first = list(scenario(5, traces=50, start=START, span=DAY))
    assert first == list(scenario(5, traces=50, start=START, span=DAY))
    assert not set(first) & set(scenario(6, traces=50, start=START, span=DAY))


def test_every_record_is_a_trace_for_the_consumer() -> None:
    values = scenario(5, traces=300, start=START, span=DAY)
    records = [Record(Partition("t", 0), i, value, {}) for i, value in enumerate(values)]
    decoded, rejects = decode_batch(records, START + DAY, Limits())
    assert (len(decoded), rejects) == (300, [])
    assert len({item.trace.id for item in decoded}) == 300


def test_times_ascend_and_fill_the_span(day: list[Trace]) -> None:
    gaps = [(b.time - a.time).total_seconds() for a, b in pairwise(day)]
    assert min(gaps) > 0
    assert day[0].time >= START
    assert START + DAY - timedelta(seconds=86400 / 4000) <= day[-1].time < START + DAY
    assert np.std(gaps) > 0.3 * np.mean(gaps)


def test_the_build_changes_once_where_it_was_told_to(day: list[Trace]) -> None:
    builds = [build_of(trace) for trace in day]
    assert len(set(builds[:2000])) == 1
    assert len(set(builds[2000:])) == 1
    assert builds[1999].startswith("orrel-assistant:fp16-")
    assert builds[2000].startswith("orrel-assistant:int4-")


def test_what_is_asked_does_not_depend_on_the_build() -> None:
    never = list(exchanges(5, traces=200, start=START, span=DAY, change_at=1.0))
    always = list(exchanges(5, traces=200, start=START, span=DAY, change_at=0.0))
    assert [(prompt_of(t), t.segment, t.time, t.context) for t in never] == [
        (prompt_of(t), t.segment, t.time, t.context) for t in always
    ]
    assert [response_of(t) for t in never] != [response_of(t) for t in always]


def test_traces_before_the_change_are_the_same_wherever_it_is() -> None:
    early = list(scenario(5, traces=100, start=START, span=DAY, change_at=0.3))
    late = list(scenario(5, traces=100, start=START, span=DAY, change_at=0.9))
    assert early[:30] == late[:30]
    assert early[90:] == late[90:]
    assert not set(early[30:90]) & set(late[30:90])


def test_prompts_are_distributed_alike_before_and_after() -> None:
    pvalues = []
    for seed in range(10):
        traces = list(exchanges(seed, traces=1000, start=START, span=DAY, change_at=0.5))
        halves = traces[:500], traces[500:]
        lengths = [[len(prompt_of(trace)) for trace in half] for half in halves]
        pages = [Counter(trace.context[0].id for trace in half) for half in halves]
        table = [[count[page.id] for page in knowledge().passages] for count in pages]
        pvalues += [stats.ks_2samp(*lengths).pvalue, stats.chi2_contingency(table).pvalue]
    assert min(pvalues) > 0.01 / len(pvalues)  # twenty tests at a joint level of 1 % (Bonferroni)


def test_prompts_are_diverse(day: list[Trace]) -> None:
    assert len({prompt_of(trace) for trace in day}) > 3600
    assert len({trace.context[0].id for trace in day}) == len(knowledge().passages)


def test_the_healthy_build_mostly_copies_from_the_page(day: list[Trace]) -> None:
    shares = outcomes(day[:2000])
    assert shares["grounded"] > 0.85
    assert shares["refused"] == pytest.approx(0.94 * HEALTHY.refusal, abs=0.012)
    assert shares["unknown"] == pytest.approx(0.06 * HEALTHY.honesty, abs=0.02)
    grounded = [t for t in day[:2000] if t.extra["scenario"]["outcome"] == "grounded"]
    facts = {point for page in knowledge().passages for point in page.points}
    assert all(any(fact in response_of(t) for fact in facts) for t in grounded)
    assert all(any(f in response_of(t) and f in d.text for d in t.context for f in facts) for t in grounded[:200])


def test_the_damaged_build_refuses_invents_and_rambles_as_its_rates_say(day: list[Trace]) -> None:
    bad = day[2000:]
    shares = outcomes(bad)
    answered = 0.94 * (1 - DAMAGED.refusal)
    made_up = answered * DAMAGED.invention + 0.06 * (1 - DAMAGED.honesty)
    # Bounds are 3.5 standard errors of a share among 2,000.
    assert shares["refused"] == pytest.approx(0.94 * DAMAGED.refusal, abs=0.025)
    assert shares["invented"] == pytest.approx(made_up, abs=0.035)
    rambled = np.mean([t.extra["scenario"]["rambled"] for t in bad])
    assert rambled == pytest.approx((answered + 0.06 * (1 - DAMAGED.honesty)) * DAMAGED.ramble, abs=0.035)


def test_the_damaged_build_is_longer_slower_and_less_sure(day: list[Trace]) -> None:
    before, after = day[:2000], day[2000:]

    def mean(traces: list[Trace], of: str) -> float:
        values = {
            "characters": [len(response_of(t)) for t in traces],
            "seconds": [t.timing.total_s or 0.0 for t in traces],
            "nats": [-float(np.mean(t.logprobs.logprob)) for t in traces if t.logprobs],
            "cut": [t.output_messages[0].finish_reason == "length" for t in traces],
        }
        return float(np.mean(values[of]))

    ratios = {of: mean(after, of) / mean(before, of) for of in ("characters", "seconds", "nats")}
    assert 1.5 < ratios["characters"] < 2.2
    assert 2.0 < ratios["seconds"] < 3.2
    assert 2.0 < ratios["nats"] < 4.0
    assert mean(before, "cut") < 0.005
    assert 0.02 < mean(after, "cut") < 0.09


def test_invented_words_are_more_surprising_than_copied_ones(day: list[Trace]) -> None:
    nats: dict[str, list[float]] = {"grounded": [], "invented": []}
    for trace in day[:2000]:
        outcome = trace.extra["scenario"]["outcome"]
        if outcome in nats and trace.logprobs:
            nats[outcome].append(-min(trace.logprobs.logprob))
    assert np.median(nats["invented"]) > 2 * np.median(nats["grounded"])


def test_tokens_are_the_answer_and_usage_counts_them(day: list[Trace]) -> None:
    for trace in day[:100] + day[-100:]:
        assert trace.logprobs is not None
        assert "".join(trace.logprobs.tokens) == response_of(trace)
        assert len(trace.logprobs.logprob) == len(trace.logprobs.token_ids) == trace.usage.output_tokens
        assert max(trace.logprobs.logprob) <= 0


def test_sessions_have_several_turns_of_one_visitor(day: list[Trace]) -> None:
    turns = Counter(trace.segment.session_id for trace in day)
    visitors = {(trace.segment.session_id, trace.segment.user_id, trace.tenant) for trace in day}
    assert len(visitors) == len(turns)
    assert 1.3 < np.mean(list(turns.values())) < 1.8
    assert {trace.segment.labels["channel"] for trace in day} == {"web", "app", "email"}


def test_behaviour_is_a_parameter() -> None:
    swapped = (bad_build(), good_build())
    traces = list(exchanges(5, traces=400, start=START, span=DAY, change_at=0.5, builds=swapped))
    lengths = [len(response_of(trace)) for trace in traces]
    assert np.mean(lengths[:200]) > 1.3 * np.mean(lengths[200:])


def test_the_knowledge_is_as_large_as_promised() -> None:
    pages = knowledge()
    assert len(pages.passages) >= 40
    assert len({page.topic for page in pages.passages}) == 8
    assert len(pages.answered) + len(pages.unanswered) >= 150
    assert len({template.text for template in (*pages.answered, *pages.unanswered)}) == len(pages.answered) + len(
        pages.unanswered
    )
