"""The right cause is named for planted changes, and none where nothing changed."""

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from detectors.cause import Label, Period
from detectors.explain import Explanation, Signals, explain

LABELS: tuple[Label, ...] = (
    "tenant", "adapter", "prompt_template", "model", "build", "cache", "engine", "service",
)  # fmt: skip
EVEN = (0.25, 0.25, 0.25, 0.25)
TOPICS = np.array([0.0, 0.5, 1.0, 1.5, 4.0])
NOVEL = 4
Change = Callable[[np.random.Generator, Period], Period]


def period(random: np.random.Generator, n: int, shares: Sequence[float] = EVEN) -> Period:
    """Traces of some topics, two signals, two tenants; one in five is answered from a cache."""
    topics = random.choice(len(shares), n, p=shares)
    values = np.column_stack([TOPICS[topics] + random.normal(size=n), random.normal(size=n) - TOPICS[topics]])
    labels = {label: np.full(n, "1") for label in LABELS}
    labels["tenant"] = np.where(random.random(n) < 0.5, "acme", "zeta")
    labels["cache"] = np.where(random.random(n) < 0.2, "semantic", "")
    return Period(values, topics, np.arange(n) % 2, labels)


def moved(found: Period, rows: np.ndarray, by: float, **labels: str) -> Period:
    """The same traces, of which these rows move in the first signal and have other labels."""
    values = found.values.copy()
    values[rows, 0] += by
    changed = {label: np.where(rows, labels.get(label, of), of) for label, of in found.labels.items()}
    return Period(values, found.topics, found.folds, changed)


def told(before: Period, after: Period) -> Explanation:
    return explain(before, after, signals(1.0), novel=NOVEL, prompt_dispersion=1.0)


def signals(over_dispersion: float) -> Signals:
    """Two signals of the answer, each along a direction of its own."""
    return Signals(np.zeros(2, dtype=bool), np.full(2, over_dispersion), np.ones(2))


def first_causes(change: Change, shares: Sequence[float] = EVEN, *, runs: int = 60) -> Counter[tuple[str, str]]:
    """The first cause of each run."""
    found: Counter[tuple[str, str]] = Counter()
    for seed in range(runs):
        random = np.random.default_rng(seed)
        after = change(random, period(random, 200, shares))
        cause = told(period(random, 1_500), after).causes[0]
        found[cause.kind, cause.name] += 1
    return found


def unchanged(_random: np.random.Generator, found: Period) -> Period:
    return found


def harmless_build(random: np.random.Generator, found: Period) -> Period:
    return moved(found, random.random(len(found)) < 0.6, 0.0, build="2")


def harmless_rollout(_random: np.random.Generator, found: Period) -> Period:
    return moved(found, np.ones(len(found), bool), 0.0, build="2")


def test_shares_add_to_one_and_parts_to_the_shift() -> None:
    random = np.random.default_rng(0)
    before = period(random, 1_500)
    after = moved(
        period(random, 300, (0.1, 0.2, 0.3, 0.3, 0.1)), random.random(300) < 0.5, 1.5, build="2", tenant="new"
    )
    found = told(before, after)

    assert sum(cause.share for cause in found.causes) == pytest.approx(1.0)
    assert found.shifts == pytest.approx(after.values.mean(axis=0) - before.values.mean(axis=0))
    assert found.weights.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("change", [unchanged, harmless_build, harmless_rollout])
def test_nothing_is_named_when_nothing_changed(change: Change) -> None:
    assert first_causes(change, runs=100)["unexplained", ""] >= 95


MIX = (0.05, 0.05, 0.3, 0.6)
CHANGES: dict[str, tuple[Change, Sequence[float], tuple[str, str]]] = {
    "a canary": (lambda r, p: moved(p, r.random(len(p)) < 0.5, 1.5, build="2"), EVEN, ("build", "2")),
    "a rollout": (lambda _, p: moved(p, np.ones(len(p), bool), 1.0, build="2"), EVEN, ("build", "2")),
    "an adapter on one half": (lambda r, p: moved(p, r.random(len(p)) < 0.5, 1.5, adapter="b"), EVEN, ("adapter", "b")),
    "a template on all, a harmless build on half": (
        lambda r, p: moved(moved(p, np.ones(len(p), bool), 1.0, prompt_template="2"), r.random(len(p)) < 0.5, 0.0,
                           build="2"), EVEN, ("prompt_template", "2"),
    ),
    "a build on half, a harmless template on all": (
        lambda r, p: moved(moved(p, np.ones(len(p), bool), 0.0, prompt_template="2"), r.random(len(p)) < 0.5, 1.5,
                           build="2"), EVEN, ("build", "2"),
    ),
    "a cache gone stale": (lambda _, p: moved(p, p.labels["cache"] == "semantic", 3.0), EVEN, ("cache", "semantic")),
    "a cache that grew and went stale": (
        lambda r, p: moved(p, (p.labels["cache"] == "semantic") | (r.random(len(p)) < 0.2), 2.0, cache="semantic"),
        EVEN, ("cache", "semantic"),
    ),
    "a cache gone stale, a harmless build on all": (
        lambda _, p: moved(moved(p, p.labels["cache"] == "semantic", 3.0), np.ones(len(p), bool), 0.0, build="2"),
        EVEN, ("cache", "semantic"),
    ),
    "a model behind a cache swapped in silence": (
        lambda _, p: moved(p, p.labels["cache"] == "", 1.0), EVEN, ("model", ""),
    ),
    "a model swapped in silence": (lambda _, p: moved(p, np.ones(len(p), bool), 1.0), EVEN, ("model", "")),
    "another mix": (unchanged, MIX, ("traffic_mix", "")),
    "another mix and a harmless canary": (harmless_build, MIX, ("traffic_mix", "")),
    "another mix and a harmless rollout": (harmless_rollout, MIX, ("traffic_mix", "")),
    "a new topic": (unchanged, (0.2, 0.2, 0.2, 0.2, 0.2), ("new_topic", "")),
    "a new topic and a harmless rollout": (harmless_rollout, (0.2, 0.2, 0.2, 0.2, 0.2), ("new_topic", "")),
    "a tenant with topics of its own": (
        lambda _, p: moved(p, p.topics == NOVEL, 0.0, tenant="new"), (0.2, 0.2, 0.2, 0.2, 0.2), ("tenant", "new"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_the_cause_that_was_planted_is_named_first(name: str) -> None:
    change, shares, cause = CHANGES[name]

    assert first_causes(change, shares)[cause] >= 54


def test_two_changes_at_once_have_their_shares() -> None:
    shares = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        half = random.random(400) < 0.5
        after = moved(period(random, 400, MIX), half, 1.0, build="2")
        found = {cause.kind: cause.share for cause in told(period(random, 3_000), after).causes}
        shares.append([found.get("build", 0.0), found.get("traffic_mix", 0.0)])

    # The first signal moves by 0.5 for the build and 0.475 for the mix, the second by -0.475 for the mix alone; of the
    # second only what lies along its direction counts, and here it has none of its own: it moved down.
    assert np.mean(shares, axis=0) == pytest.approx([0.5 / 0.975, 0.475 / 0.975], abs=0.06)


def test_labels_that_changed_on_the_same_traces_are_named_side_by_side() -> None:
    random = np.random.default_rng(0)
    rows = random.random(300) < 0.5
    after = moved(period(random, 300), rows, 1.5, build="2", adapter="b")
    cause = told(period(random, 1_500), after).causes[0]

    assert (cause.kind, cause.name, cause.beside) == ("adapter", "b", (("build", "2"),))


def test_a_model_of_another_name_is_a_build_too_and_needs_no_word_of_it() -> None:
    random = np.random.default_rng(0)
    after = moved(period(random, 300), np.ones(300, bool), 1.5, build="2", model="m2")
    cause = told(period(random, 1_500), after).causes[0]

    assert (cause.kind, cause.name, cause.beside) == ("model", "m2", ())


def test_traces_of_sessions_are_as_good_as_fewer() -> None:
    """What would be a clear change of independent traces is chance when fifty of them hang together."""
    random = np.random.default_rng(0)
    before, after = period(random, 1_500), moved(period(random, 200), np.ones(200, bool), 0.8, build="2")
    sure = explain(before, after, signals(1.0), novel=NOVEL, prompt_dispersion=1.0)
    unsure = explain(before, after, signals(50.0), novel=NOVEL, prompt_dispersion=50.0)

    assert [sure.causes[0].kind, unsure.causes[0].kind] == ["build", "unexplained"]
    assert not unsure.weights.any()
