from dataclasses import replace

import numpy as np

from benchmarks.scores import shipped
from benchmarks.scores.embedding import fused
from benchmarks.scores.labelled import Row, key_of
from benchmarks.scores.metrics import auroc

ROW = Row("ragtruth", "rt1", "model", "Rome.", ("Rome is old.",), "Which city?", (), bad=False)


def test_the_key_of_an_answer_is_of_its_source_generator_and_text() -> None:
    others = [replace(ROW, answer="Oslo."), replace(ROW, source="rt2"), replace(ROW, group="other")]
    assert key_of(ROW) == key_of(replace(ROW, passages=()))
    assert len({key_of(row) for row in [ROW, *others]}) == 4


def test_answers_that_no_head_judged_out_of_fold_have_no_figures() -> None:
    assert shipped.out_of_fold([ROW]) is None


def test_two_scores_that_each_tell_something_tell_more_together() -> None:
    draw = np.random.default_rng(0)
    bad = draw.random(4000) < 0.4
    values = 1 / (1 + np.exp(-(draw.normal(size=(2, 4000)) + 1.5 * bad)))
    both = fused(values, bad, np.arange(4000) % 5)
    assert auroc(both, bad) > max(auroc(one, bad) for one in values) + 0.03


def test_a_score_of_noise_adds_nothing() -> None:
    draw = np.random.default_rng(1)
    bad = draw.random(4000) < 0.4
    one = 1 / (1 + np.exp(-(draw.normal(size=4000) + 1.5 * bad)))
    both = fused(np.stack([one, draw.random(4000)]), bad, np.arange(4000) % 5)
    assert abs(auroc(both, bad) - auroc(one, bad)) < 0.01
