import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from monitor.scoring.identifying import CANDIDATES, identify

LIBRARY = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
LIBRARY.set_languages(CANDIDATES)
WORDS = [
    "the",
    "bridge",
    "où",
    "ÜBER",
    "мост",
    "橋は",
    "je li ovo",
    "ЈЕ ЛИ",
    "e\u0301te\u0301",
    "1932",
    "\0",
    "मेरा",
    ".",
]

texts = st.text(max_size=60) | st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join)


def by_the_library(text: str) -> list[float]:
    shares = dict(LIBRARY.rank(text))
    return [shares[language] for language in CANDIDATES]


@settings(deadline=None)
@given(st.lists(texts, min_size=1, max_size=6))
def test_many_texts_at_once_have_the_probabilities_that_the_library_gives_each(found: list[str]) -> None:
    expected = [by_the_library(text) for text in found]

    assert np.allclose(identify(found), expected, rtol=1e-3, atol=1e-5)


def test_of_an_empty_text_nothing_is_known() -> None:
    shares = identify(["The bridge was opened in 1932.", ""])[1]

    assert shares.sum() == pytest.approx(1)
    assert shares.max() < 0.05


def test_the_neighbours_of_a_text_change_nothing() -> None:
    found = ["Is it?", "Die Brücke wurde im Jahre 1932 eröffnet.", "x" * 500, ""]

    assert np.allclose(identify(found), np.vstack([identify([text]) for text in found]), atol=1e-12)
