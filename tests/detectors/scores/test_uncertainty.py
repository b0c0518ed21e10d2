import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors.uncertainty import mean_nll, peak

Array = NDArray[np.float64]
ROW = st.lists(st.floats(-50.0, 0.0), max_size=80).map(lambda row: np.array(row, dtype=np.float64))
ROWS = st.lists(ROW, max_size=8)


def peak_by_hand(surprisal: Array) -> float:
    worst = math.ceil(len(surprisal) / 10)
    return float((np.quantile(surprisal, 0.95) + np.sort(surprisal)[-worst:].mean()) / 2)


@pytest.mark.parametrize("score", [mean_nll, peak])
@given(ROWS)
def test_a_score_does_not_depend_on_its_batch(score, rows: list[Array]) -> None:
    assert score(rows) == [score([row])[0] for row in rows]


@pytest.mark.parametrize("score", [mean_nll, peak])
@given(ROWS)
def test_every_trace_with_tokens_has_a_value(score, rows: list[Array]) -> None:
    found = score(rows)
    assert [one.status for one in found] == ["ok" if len(row) else "insufficient_input" for row in rows]
    assert all(0.0 <= one.value <= 1.0 for one in found if one.value is not None)


def test_mean_nll_is_one_minus_the_geometric_mean() -> None:
    (score,) = mean_nll([np.log([0.9, 0.4, 0.6])])
    assert score.value == pytest.approx(1 - (0.9 * 0.4 * 0.6) ** (1 / 3), rel=1e-12)


def test_certain_tokens_cost_nothing() -> None:
    assert [score([np.zeros(5)])[0].value for score in (mean_nll, peak)] == [0.0, 0.0]


def test_rounding_above_zero_counts_as_certain() -> None:
    assert mean_nll([np.array([5e-7, 0.0])])[0].value == 0.0


@given(st.lists(st.floats(-20.0, 0.0), min_size=1, max_size=32), st.integers(0, 40))
def test_the_peak_of_sentences_is_the_largest_peak_of_one(row: list[float], cut: int) -> None:
    surprisal = -np.array(row)
    parts = [part for part in (surprisal[:cut], surprisal[cut:]) if len(part)]
    (score,) = peak([np.array(row)], boundaries=[[0, cut]])
    assert score.value == pytest.approx(1 - math.exp(-max(map(peak_by_hand, parts))), abs=1e-12)


def test_without_boundaries_windows_of_32_overlap_by_half() -> None:
    surprisal = np.random.default_rng(3).exponential(size=75)
    windows = [surprisal[0:32], surprisal[16:48], surprisal[32:64], surprisal[48:75]]
    (score,) = peak([-surprisal])
    assert score.value == pytest.approx(1 - math.exp(-max(map(peak_by_hand, windows))), rel=1e-12)


def test_a_wrong_onset_shows_in_the_peak_and_washes_out_of_the_mean() -> None:
    onset = np.full(400, -0.01)
    onset[200] = -8.0
    (mean,), (largest,) = mean_nll([onset]), peak([onset])
    # The quantile of the onset's 32 tokens is calm; their worst four hold the onset.
    assert mean.value == pytest.approx(1 - math.exp(-(8 + 399 * 0.01) / 400), rel=1e-9)
    assert largest.value == pytest.approx(1 - math.exp(-(0.01 + (8 + 3 * 0.01) / 4) / 2), rel=1e-9)
    assert mean.value < 0.03
    assert largest.value > 0.63


@pytest.mark.parametrize("score", [mean_nll, peak])
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([-1.0, 12.5], "log-probabilities must be ≤ 0; got 12.5 at token 1: raw logits?"),
        ([-1.0, -2.0, math.nan], "log-probabilities must be finite; got nan at token 2"),
        ([-math.inf, 3.0], "log-probabilities must be finite; got -inf at token 0"),
    ],
)
def test_what_cannot_be_a_log_probability_is_an_error_that_names_it(score, row: list[float], reason: str) -> None:
    found = score([np.array([-1.0]), np.array(row), np.array([-1.0])])
    assert (found[1].status, found[1].reason) == ("error", reason)
    assert found[0] == found[2] == score([np.array([-1.0])])[0]


@pytest.mark.real_data
def test_raw_logits_of_a_real_producer_are_refused(shared_data) -> None:
    import gzip
    import json

    with gzip.open(shared_data / "mu_shroom" / "mushroom.en-val.v2.extra.jsonl.gz", "rt") as lines:
        rows = [np.array(json.loads(line)["model_output_logits"]) for line in lines]
    found = mean_nll(rows)
    assert [one.status == "error" for one in found] == [bool((row > 1e-6).any()) for row in rows]
    assert sum(one.status == "error" for one in found) > 0
