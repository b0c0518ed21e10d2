import numpy as np

from detectors.relation import fit_relation
from detectors.vector import FourierMap

D = 16


def pairs(random: np.random.Generator, n: int, *, scale: float = 1.0, gain: float = 0.8) -> np.ndarray:
    prompt = scale * random.normal(size=(n, D))
    return np.hstack([prompt, gain * prompt + 0.1 * random.normal(size=(n, D))])


def test_the_features_are_those_of_the_ridge_residual() -> None:
    random = np.random.default_rng(0)
    fitted = fit_relation(pairs(random, 400), seed=0)
    fresh = pairs(random, 5)
    weights = fitted.fourier.weights
    prediction = -np.linalg.lstsq(weights[D:].T, weights[:D].T, rcond=None)[0].T
    residual = fresh[:, D:] - fresh[:, :D] @ prediction
    expected = FourierMap(weights[D:]).apply(residual)
    np.testing.assert_allclose(fitted.apply(fresh), expected, atol=1e-4)
    assert np.linalg.norm(residual) < 0.5 * np.linalg.norm(fresh[:, D:])


def test_other_prompts_move_the_relation_less_than_other_answers_do() -> None:
    random = np.random.default_rng(1)
    fitted = fit_relation(pairs(random, 2_000), seed=0)
    before = fitted.apply(pairs(random, 2_000)).mean(axis=0)
    prompts = fitted.apply(pairs(random, 2_000, scale=0.7)).mean(axis=0)
    answers = fitted.apply(pairs(random, 2_000, gain=0.4)).mean(axis=0)
    assert np.linalg.norm(prompts - before) < 0.3 * np.linalg.norm(answers - before)


def test_one_pair_predicts_nothing() -> None:
    fitted = fit_relation(np.ones((1, 2 * D)), seed=0)
    assert np.abs(fitted.fourier.weights[:D]).max() == 0.0
