import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.drift import peers
from benchmarks.drift.power import LEVEL, _share_above


@pytest.fixture
def jobs() -> peers.Jobs:
    random = np.random.default_rng(0)
    made = peers.Jobs({}, [])
    made.add("reference", random.standard_normal(1_000))
    made.add("windows", random.standard_normal((3, 200)) + np.array([[0.0], [0.0], [2.0]]))
    return made


def test_a_peer_sees_the_arrays_and_answers_in_its_own_process(jobs: peers.Jobs) -> None:
    asked = jobs.ask(windows="scipy KS", reference="reference", data="windows")
    # SciPy is in this environment too.
    told = peers.answers(jobs, Path(sys.executable))[asked]
    assert told["drifted"] == [False, False, True]
    assert max(told["scores"]) == told["scores"][2]


def test_a_peer_that_is_not_installed_is_said_to_be_missing(jobs: peers.Jobs) -> None:
    asked = jobs.ask(stream="river ADWIN", parameter=0.002, reference="reference", data="windows")
    assert peers.answers(jobs, Path(sys.executable))[asked] == {
        "missing": "ModuleNotFoundError: No module named 'river'"
    }


def test_delays_count_from_the_change_and_leave_out_what_alarmed_before() -> None:
    found = peers._delays(np.array([peers.QUIET - 1.0, peers.QUIET + 10.0, peers.QUIET + 30.0, np.inf]))
    assert (found["streams"], found["found"], found["median"]) == (3, pytest.approx(2 / 3), 30.0)


def test_tied_scores_keep_the_level() -> None:
    quiet = np.array([0.0] * 80 + [1.0] * 20)
    assert _share_above(quiet, quiet) == pytest.approx(LEVEL)
    assert _share_above(np.array([2.0, 1.0]), quiet) == pytest.approx(0.5 * (1.0 + 0.25))
