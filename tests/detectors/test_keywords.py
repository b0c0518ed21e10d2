from detectors.keywords import keywords

OTHERS = ["What is the weather?", "Play a song for me.", "Is it open on Sunday?"] * 5


def test_words_that_these_texts_have_and_others_lack_are_told() -> None:
    texts = ["I want a refund for my card", "Refund my card!", "Why no refund?", "refunds on a card, please"]

    assert keywords(texts, OTHERS) == ["refund", "card"]
    assert keywords(texts, OTHERS, most=1) == ["refund"]


def test_words_that_others_have_as_often_tell_nothing() -> None:
    assert keywords(["the weather today"] * 3 + ["a song"], ["today the weather"] * 4) == []


def test_grammar_and_numbers_tell_nothing() -> None:
    assert keywords(["would you have 4711"] * 5, OTHERS) == []


def test_a_word_of_two_texts_could_be_a_name() -> None:
    assert keywords(["Smithers"] * 2, OTHERS) == []
    assert keywords(["Smithers"] * 3, OTHERS) == ["smithers"]


def test_no_texts_have_no_words() -> None:
    assert keywords([], OTHERS) == keywords([], []) == []
