import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.special import log_softmax

from detectors.columns import columns
from detectors.tokens import Sentences
from detectors.uncertainty import MSP_TOKENS, entropy, margin, mean_nll, msp, peak, surprisals, tail

Array = NDArray[np.float64]
ROW = st.lists(st.floats(-50.0, 0.0), max_size=80).map(lambda row: np.array(row, dtype=np.float64))
ROWS = st.lists(ROW, max_size=8)


def peak_by_hand(surprisal: Array) -> float:
    worst = math.ceil(len(surprisal) / 10)
    return float((np.quantile(surprisal, 0.95) + np.sort(surprisal)[-worst:].mean()) / 2)


def parted(length: int, *cuts: int) -> Sentences:
    """Sentences that begin at these tokens; each token is a character."""
    starts = [0, *cuts]
    return Sentences(np.array(starts), tuple(zip(starts, [*cuts, length], strict=True)))


def means(rows):
    return mean_nll(surprisals(rows))


def largest(rows):
    return peak(surprisals(rows), [None] * len(rows))


def whole(rows):
    return msp(surprisals(rows))


def average_entropy(rows):
    return entropy(columns([-row for row in rows], name="entropies"), [None] * len(rows))


def lost_mass(rows):
    return tail(columns([-row / 50 for row in rows], name="tails", most=1.0), [None] * len(rows))


SCORES = [means, largest, whole, average_entropy, lost_mass]


@pytest.mark.parametrize("score", SCORES)
@given(rows=ROWS)
def test_a_score_does_not_depend_on_its_batch(score, rows: list[Array]) -> None:
    assert score(rows) == [score([row])[0] for row in rows]


@pytest.mark.parametrize("score", SCORES)
@given(rows=ROWS)
def test_every_trace_has_a_value_or_a_reason(score, rows: list[Array]) -> None:
    for one, row in zip(score(rows), rows, strict=True):
        assert one.status in (("ok", "error", "insufficient_input") if len(row) else ("insufficient_input",))
        assert (one.value is None) == (one.reason is not None)
        assert one.value is None or (0.0 <= one.value <= 1.0 and math.copysign(1.0, one.value) == 1.0)


def test_mean_nll_is_one_minus_the_geometric_mean() -> None:
    (score,) = means([np.log([0.9, 0.4, 0.6])])
    assert score.value == pytest.approx(1 - (0.9 * 0.4 * 0.6) ** (1 / 3), rel=1e-12)


def test_msp_is_one_minus_the_probability_of_the_answer() -> None:
    (score,) = whole([np.log([0.9, 0.4, 0.6])])
    assert score.value == pytest.approx(1 - 0.9 * 0.4 * 0.6, rel=1e-12)


def test_msp_is_for_short_answers() -> None:
    short, long, none = whole([np.full(MSP_TOKENS, -0.1), np.full(MSP_TOKENS + 1, -0.1), np.empty(0)])
    assert (short.status, long.status, none.status) == ("ok", "insufficient_input", "insufficient_input")
    assert long.reason == "the probability of an answer of more than 32 tokens is 0; got 33"


def test_certain_tokens_cost_nothing() -> None:
    assert [score([np.zeros(5)])[0].value for score in SCORES] == [0.0] * len(SCORES)


def test_rounding_above_zero_counts_as_certain() -> None:
    assert means([np.array([5e-7, 0.0])])[0].value == 0.0


@given(st.lists(st.floats(-20.0, 0.0), min_size=2, max_size=7), st.integers(1, 6))
def test_the_peak_of_an_answer_is_that_of_its_worst_sentence(row: list[float], cut: int) -> None:
    cut = min(cut, len(row) - 1)
    surprisal = -np.array(row)
    parts = [peak_by_hand(surprisal[:cut]), peak_by_hand(surprisal[cut:])]
    (score,) = peak(surprisals([row]), [parted(len(row), cut)])
    assert score.value == pytest.approx(1 - math.exp(-max(parts)), abs=1e-12)
    assert score.spans == (((0, cut), (cut, len(row)))[int(parts[1] > parts[0])],)


def test_without_sentences_windows_of_32_overlap_by_half_and_have_no_span() -> None:
    surprisal = np.random.default_rng(3).exponential(size=75)
    windows = [surprisal[0:32], surprisal[16:48], surprisal[32:64], surprisal[48:75]]
    (score,) = largest([-surprisal])
    assert score.value == pytest.approx(1 - math.exp(-max(map(peak_by_hand, windows))), rel=1e-12)
    assert score.spans == ()


def test_a_wrong_onset_shows_in_the_peak_and_washes_out_of_the_mean() -> None:
    onset = np.full(400, -0.01)
    onset[200] = -8.0
    (mean,), (worst,) = means([onset]), largest([onset])
    # The quantile of the onset's 32 tokens is calm; their worst four hold the onset.
    assert mean.value == pytest.approx(1 - math.exp(-(8 + 399 * 0.01) / 400), rel=1e-9)
    assert worst.value == pytest.approx(1 - math.exp(-(0.01 + (8 + 3 * 0.01) / 4) / 2), rel=1e-9)
    assert mean.value < 0.03
    assert worst.value > 0.63


def test_entropy_is_the_mean_and_the_peak_of_the_entropies() -> None:
    rows = [0.1, 0.2, 1.5, 0.3]
    (score,) = entropy(columns([rows], name="entropies"), [parted(4, 2)])
    expected = (np.mean(rows) + peak_by_hand(np.array([1.5, 0.3]))) / 2
    assert score.value == pytest.approx(1 - math.exp(-expected), rel=1e-12)
    assert score.spans == ((2, 4),)


def test_tail_and_margin_are_those_of_the_worst_sentence() -> None:
    found = columns([[0.1, 0.2, 0.9, 0.5], [0.25]], name="tails", most=1.0)
    for score in (tail, margin):
        first, second = score(found, [parted(4, 2), None])
        assert (first.value, first.spans) == (pytest.approx(0.7), ((2, 4),))
        assert (second.value, second.spans) == (0.25, ())


@pytest.mark.parametrize("score", [means, largest, whole])
@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ([-1.0, 12.5], "log-probabilities must be finite and ≤ 0; got 12.5 at token 1: raw logits?"),
        ([-1.0, -2.0, math.nan], "log-probabilities must be finite and ≤ 0; got nan at token 2: raw logits?"),
        ([-math.inf, 3.0], "log-probabilities must be finite and ≤ 0; got -inf at token 0: raw logits?"),
        ([-7.0] * 8, "log-probabilities of a model's own answer; got a mean of -7.0 over 8 tokens: raw logits?"),
    ],
)
def test_what_cannot_be_a_log_probability_is_an_error_that_names_it(score, row: list[float], reason: str) -> None:
    found = score([np.array([-1.0]), np.array(row), np.array([-1.0])])
    assert (found[1].status, found[1].reason) == ("error", reason)
    assert found[0] == found[2] == score([np.array([-1.0])])[0]


def test_a_few_unlikely_tokens_are_no_logits() -> None:
    assert means([np.full(7, -9.0)])[0].value == pytest.approx(1 - math.exp(-9))


def test_what_a_model_samples_is_never_taken_for_logits() -> None:
    """At any temperature a model knows: uniform among 300 tokens is still below the bound."""
    random = np.random.default_rng(0)
    for scale in (0.0, 1.0, 3.0, 10.0):
        logits = log_softmax(scale * random.normal(size=(200, 300)), axis=1)
        drawn = (np.log(random.uniform(size=(200, 1))) < np.logaddexp.accumulate(logits, axis=1)).argmax(axis=1)
        assert means([logits[np.arange(200), drawn]])[0].status == "ok"


@pytest.mark.real_data
def test_raw_logits_of_real_producers_are_refused(shared_data) -> None:
    """Nine of the ten languages hold logits; the Swedish file holds log-probabilities."""
    import gzip
    import json

    statuses = {}
    for path in sorted((shared_data / "mu_shroom").glob("*.jsonl.gz")):
        with gzip.open(path, "rt") as lines:
            rows = [np.array(json.loads(line)["model_output_logits"]) for line in lines]
        statuses[path.name[9:11]] = {score.status for score in means(rows)}
    assert statuses == {name: {"ok"} if name == "sv" else {"error"} for name in statuses}
    assert len(statuses) == 10
