import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.scoring.languages import labels, language_scores, languages

TEXTS = {
    "en": "The bridge was opened in 1932 and it carries eight lanes of traffic.",
    "de": "Die Brücke wurde im Jahre 1932 eröffnet und trägt acht Fahrspuren für den Verkehr.",
    "es": "El puente se inauguró en 1932 y tiene ocho carriles para los coches de la ciudad.",
    "fr": "Le pont a été ouvert en 1932 et il porte huit voies de circulation pour les voitures.",
    "it": "Il ponte è stato aperto nel 1932 e ha otto corsie per le automobili della città.",
    "ru": "Мост был открыт в 1932 году, и по нему проходят восемь полос движения.",
    "zh": "这座桥于1932年开通，有八条车道和两条铁路，每天有很多人经过。",
    "ja": "この橋は1932年に開通し、八車線の道路と二本の線路があります。",
    "ar": "افتتح الجسر في عام 1932 وهو يحمل ثمانية مسارات لحركة المرور.",
    "hi": "यह पुल 1932 में खोला गया था और इसमें यातायात के लिए आठ लेन हैं।",
}


@pytest.mark.parametrize("language", TEXTS)
def test_a_sentence_is_known_by_its_language(language: str) -> None:
    assert labels(languages([TEXTS[language]])) == [language]


def test_an_answer_in_another_language_is_bad_and_one_in_the_same_good() -> None:
    guesses = dict(zip(TEXTS, languages(list(TEXTS.values())), strict=True))
    for asked, prompt in guesses.items():
        for given_, answer in guesses.items():
            (score,) = language_scores([prompt], [answer])
            assert score.value is not None
            assert score.value > 0.8 if asked != given_ else score.value < 0.2


@pytest.mark.parametrize("text", ["", "Rome", "1932 - 1945; 12:30, 4.5 %", "!!!"])
def test_of_few_letters_nothing_is_told(text: str) -> None:
    (guess,) = languages([text])
    (score,) = language_scores([guess], languages([TEXTS["en"]]))
    assert (guess, labels([guess]), score.status) == (None, [None], "insufficient_input")
    assert score.reason == "too few letters to tell the language"


@settings(deadline=None)
@given(st.text(max_size=300), st.text(max_size=300))
def test_any_texts_give_a_value_or_a_reason(prompt: str, answer: str) -> None:
    (score,) = language_scores(languages([prompt]), languages([answer]))
    assert (score.value is None) == (score.reason is not None)


@pytest.mark.real_data
def test_real_answers_of_ten_languages_are_told_apart(shared_data) -> None:
    import gzip
    import json

    right = total = 0
    for path in sorted((shared_data / "mu_shroom").glob("*.jsonl.gz")):
        with gzip.open(path, "rt") as lines:
            rows = [json.loads(line) for line in lines]
        found = labels(languages([row["model_input"] for row in rows]))
        known = [label for label in found if label is not None]
        right += known.count(path.name[9:11])
        total += len(known)
    assert total > 400
    assert right / total > 0.98
