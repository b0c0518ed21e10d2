import numpy as np

from detectors.relation import fit_relation

D = 16


def pairs(random: np.random.Generator, n: int, *, scale: float = 1.0, gain: float = 0.8) -> np.ndarray:
    prompt = scale * random.normal(size=(n, D))
    return np.hstack([prompt, gain * prompt + 0.1 * random.normal(size=(n, D))])


def test_the_prediction_is_that_of_ridge_regression() -> None:
    drawn = pairs(np.random.default_rng(0), 400)
    fitted = fit_relation(drawn, seed=0)
    prompt = drawn[:, :D] - drawn[:, :D].mean(axis=0)
    gram = prompt.T @ prompt
    expected = np.linalg.solve(gram + 0.01 * np.trace(gram) * np.eye(D), prompt.T @ drawn[:, D:])
    np.testing.assert_allclose(fitted.read @ fitted.predict, expected, atol=1e-5)


def test_the_features_are_those_of_the_residual() -> None:
    random = np.random.default_rng(0)
    fitted, fresh = fit_relation(pairs(random, 400), seed=0), pairs(random, 5)
    residual = fresh[:, D:] - fresh[:, :D] @ (fitted.read @ fitted.predict)
    np.testing.assert_allclose(fitted.apply(fresh), fitted.residual.apply(residual), atol=1e-5)
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
    assert np.abs(fitted.predict).max() == 0.0
