from itertools import islice

import numpy as np
import pytest
from scipy.stats import chisquare, ks_2samp

from benchmarks.drift.laws import SCALARS, Change, Continuous, Discrete, Law, Topics
from benchmarks.drift.streams import blocks, changed_after, sample
from benchmarks.drift.traffic import Independent

SMALL = Topics(dimension=16, topics=4)
LAWS: tuple[Law, ...] = (*SCALARS, SMALL)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_the_same_seed_gives_the_same_stream(law: Law) -> None:
    once, again, other = (sample(law, Independent(), 500, seed=(1, last)) for last in (0, 0, 1))
    assert np.array_equal(once.column, again.column)
    assert not np.array_equal(once.column, other.column)


@pytest.mark.parametrize("law", LAWS, ids=lambda law: law.name)
def test_a_quiet_stream_has_the_law_of_the_reference(law: Law) -> None:
    reference = sample(law, Independent(), 5_000, seed=(3, 0)).column
    later = np.concatenate([block.column for block in islice(blocks(law, Independent(), seed=(3, 1), size=1_000), 5)])
    if law.kind == "vector":
        reference, later = reference @ SMALL.centres[0], later @ SMALL.centres[0]
    assert ks_2samp(reference, later, method="asymp").pvalue > 0.01


def test_shares_of_a_discrete_law_are_as_stated() -> None:
    law = next(law for law in SCALARS if law.name == "20 categories")
    assert isinstance(law, Discrete)
    codes = sample(law, Independent(), 20_000, seed=(0,)).column
    assert chisquare(np.bincount(codes, minlength=20), 20_000 * law.shares).pvalue > 0.01


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (Change("rate", 2.0), [0.8, 0.2, 0.0]),
        (Change("mix", 0.5), [0.45, 0.55, 0.0]),
        (Change("novel", 0.1), [0.81, 0.09, 0.1]),
    ],
)
def test_a_change_moves_the_stated_shares(change: Change, expected: list[float]) -> None:
    law = Discrete("two", "category", np.array([0.9, 0.1]), np.array([1]), ())
    assert law.changed(change) == pytest.approx(expected)


@pytest.mark.parametrize("law", [law for law in SCALARS if isinstance(law, Continuous)], ids=lambda law: law.name)
def test_likelihood_ratios_have_mean_one_without_the_change(law: Continuous) -> None:
    column = sample(law, Independent(), 200_000, seed=(0,)).column
    for change in (Change("shift", 0.25), Change("scale", 1 / 1.5)):
        assert np.exp(law.log_ratio(column, change)).mean() == pytest.approx(1.0, abs=0.02)


def test_a_stream_changes_after_its_quiet_traces() -> None:
    quiet, *changed = changed_after(
        SCALARS[0], Independent(), 9_000, quiet=2_000, seed=(0,), change=Change("shift", 1.0)
    )
    assert len(quiet) == 2_000
    assert sum(len(block) for block in changed) >= 9_000
    assert quiet.column.mean() == pytest.approx(0.0, abs=0.1)
    assert np.concatenate([block.column for block in changed]).mean() == pytest.approx(1.0, abs=0.05)


def test_vectors_move_along_the_direction_by_its_deviations() -> None:
    law = Topics()
    still, high, low = (
        sample(law, Independent(), 1_000, seed=(0,), change=change).column
        for change in (None, Change("along_high", 0.5), Change("along_low", 0.5))
    )
    # What of the shift is radial is lost as the vectors stay unit vectors.
    along_high = (high - still).mean(axis=0) @ law.directions.high / law.directions.high_deviation
    along_low = (low - still).mean(axis=0) @ law.directions.low / law.directions.low_deviation
    assert (along_high, along_low) == pytest.approx((0.5, 0.5), rel=0.1)


def test_a_novel_topic_comes_as_often_as_stated() -> None:
    column = sample(SMALL, Independent(), 10_000, seed=(0,), change=Change("novel", 0.1)).column
    # Noise turns some vectors of one topic nearer to another, in both directions.
    nearest = np.argmax(column @ SMALL.centres.T, axis=1)
    before = np.argmax(sample(SMALL, Independent(), 10_000, seed=(0,)).column @ SMALL.centres.T, axis=1)
    gained = np.mean(nearest == SMALL.topics) - np.mean(before == SMALL.topics)
    assert 0.03 < gained < 0.1
