"""Traffic drawn from a reference: its means, its panes, and what hangs together in it."""

from itertools import islice

import numpy as np
import pytest

from detectors.resample import Rows, drawn, runs_of

STREAMS, PANE = 400, 16


def random() -> np.random.Generator:
    return np.random.default_rng(0)


def sticky() -> np.ndarray:
    return np.repeat(random().normal(size=(500, 1)), 8, axis=0).astype(np.float32)


def test_rows_drawn_one_by_one_have_the_mean_and_error_of_the_reference() -> None:
    features = random().normal(3.0, 2.0, size=(1_000, 2)).astype(np.float32)
    means = Rows(features, PANE).means(STREAMS, random())
    np.testing.assert_allclose(means.mean(axis=0), features.mean(axis=0), atol=0.02)
    np.testing.assert_allclose(means.std(axis=0), 2.0 / np.sqrt(1_000), rtol=0.15)


def test_a_pane_adds_up_the_rows_that_were_drawn() -> None:
    features = np.eye(3, dtype=np.float32)
    totals, counts = next(Rows(features, PANE).panes(STREAMS, random()))
    assert totals.shape == (STREAMS, 3)
    np.testing.assert_array_equal(totals.sum(axis=1), counts)
    np.testing.assert_array_equal(drawn(features, np.array([[0, 0, 2]])), [[2.0, 0.0, 1.0]])


def test_runs_keep_what_hangs_together() -> None:
    features = sticky()
    runs = runs_of(features, np.arange(len(features)) // 4, unit=8.0)
    panes = np.stack([totals[:, 0] / counts for totals, counts in islice(runs.panes(STREAMS, random()), 50)])
    assert runs.length == 8
    assert np.corrcoef(panes[:-1].ravel(), panes[1:].ravel())[0, 1] == pytest.approx(0.5 * 7 / 8, abs=0.05)


def test_means_of_runs_vary_as_means_of_what_hangs_together() -> None:
    features = sticky()
    means = runs_of(features, np.arange(len(features)) // 4, unit=8.0).means(STREAMS, random())
    assert means.std() == pytest.approx(features.std() * np.sqrt(8 / len(features)), rel=0.2)


def test_there_are_runs_enough_for_references_to_differ() -> None:
    features = sticky()
    assert runs_of(features, np.arange(len(features)) // 100, unit=4_000.0).length == 40 // 12
