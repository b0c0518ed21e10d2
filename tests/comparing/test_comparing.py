import numpy as np
import pytest

from monitor.comparing import compare, independent
from monitor.errors import Permanent
from monitor.model.comparison import Comparison, Finding

from .conftest import Make


def verdicts(found: Comparison) -> dict[str, str]:
    return {finding.signal: finding.verdict for finding in found.findings}


def finding_of(found: Comparison, signal: str) -> Finding:
    return next(finding for finding in found.findings if finding.signal == signal)


def test_two_sides_without_change_are_not_said_to_differ(side: Make) -> None:
    found = compare(side("march", 1), side("april", 2))
    assert set(verdicts(found).values()) == {"no evidence"}
    assert found.sentence == "No evidence that april differs from march: 6 signals tested on 300 and 300 traces."
    assert [finding.pairs for finding in found.findings] == [()] * 6


def test_answers_that_change_are_told_from_questions_that_do(side: Make) -> None:
    found = compare(side("march", 1), side("june", 2, moved=0.8), alpha=0.001)
    assert [finding.signal for finding in found.changed] == ["relation", "response.embedding"]
    assert "the same questions are answered otherwise" in found.sentence
    asked = compare(side("march", 1), side("june", 2, asked=0.4), alpha=0.001)
    assert {finding.signal for finding in asked.changed} == {"prompt.embedding", "response.embedding"}
    assert "other questions are asked" in asked.sentence


def test_a_changed_number_and_label_are_told_with_their_sizes(side: Make) -> None:
    found = compare(side("march", 1), side("june", 2, longer=30.0, cut=0.4), alpha=0.001)
    tokens, reason = finding_of(found, "response.tokens"), finding_of(found, "finish_reason")
    assert {finding.signal for finding in found.changed} == {"response.tokens", "finish_reason"}
    sizes = {estimate.name: estimate for estimate in tokens.estimates}
    assert sizes["mean difference"].low < 30.0 < sizes["mean difference"].high
    assert tokens.told.startswith("response.tokens rose from 1")
    assert tokens.told.endswith("%)")
    assert reason.told.startswith("finish_reason")
    assert list(reason.bars.labels) == ["stop", "length"]
    assert sum(reason.bars.now) == pytest.approx(1.0)
    assert found.findings[0].log_p == min(finding.log_p for finding in found.findings)


def test_examples_are_the_traces_farthest_along_with_what_was_asked_most_alike(side: Make) -> None:
    march, june = side("march", 1), side("june", 2, longer=40.0)
    pairs = finding_of(compare(march, june), "response.tokens").pairs
    longest = sorted(june.scored.columns["response.tokens"], reverse=True)[:3]  # type: ignore[type-var]
    assert [pair.now.value for pair in pairs] == [f"{value:.4g} tokens" for value in longest]
    for pair in pairs:
        assert pair.before is not None
        assert pair.before.prompt == pair.now.prompt


def test_of_each_session_one_trace_is_tested(side: Make) -> None:
    march = side("march", 1, sessions=100)
    assert len(independent(march.scored, seed=0)) == 100
    found = compare(march, side("june", 2))
    assert (found.before.traces, found.before.tested) == (300, 100)
    assert finding_of(found, "response.tokens").n_before == 100
    kept = {item.trace.id for item in independent(march.scored, seed=0).traces}
    assert kept != {item.trace.id for item in independent(march.scored, seed=1).traces}


def test_few_traces_are_said_to_be_few(side: Make) -> None:
    found = compare(side("march", 1, 300), side("june", 2, 20, longer=200.0))
    assert set(verdicts(found).values()) == {"too few traces"}
    assert found.sentence == "Too few traces to compare: 300 and 20 traces."


def test_a_signal_that_is_gone_has_changed(side: Make) -> None:
    march, june = side("march", 1), side("june", 2)
    gone = {name: np.full_like(june.scored.columns[name], np.nan) for name in ("latency", "response.embedding")}
    june.scored.columns.update(gone)  # type: ignore[attr-defined]
    found = compare(march, june)
    assert {finding.signal for finding in found.changed} == {"latency", "response.embedding"}
    assert finding_of(found, "latency").told == "latency is missing in 100 % of traces, before in 6.7 %"


def test_only_the_signals_asked_for_are_compared(side: Make) -> None:
    found = compare(side("march", 1), side("june", 2), signals=["latency", "finish_reason"])
    assert set(verdicts(found)) == {"latency", "finish_reason"}
    with pytest.raises(Permanent, match="no signal to compare has a value on either side"):
        compare(side("march", 1), side("june", 2), signals=["hedging"])


def test_the_same_seed_gives_the_same_comparison(side: Make) -> None:
    march, june = side("march", 1, 120), side("june", 2, 120, moved=0.3)
    assert compare(march, june, seed=5) == compare(march, june, seed=5)


def test_an_empty_side_is_refused_by_name(side: Make) -> None:
    with pytest.raises(Permanent, match="june: there are no traces"):
        compare(side("march", 1), side("june", 2, 0))
