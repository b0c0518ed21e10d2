from monitor.inference.encoder import Encoder
from monitor.scoring import Scorer
from monitor.scoring.checked import Checking
from monitor.scoring.embedded import SENTENCES, Nearness
from tests.stores import decoded, line

PASSAGES = ["The harbour bridge opened in 1932. It carries eight lanes.", "Sydney is sunny in May."]


def test_an_answer_far_from_its_context_is_worse_than_one_that_says_the_same(encoder: Encoder) -> None:
    check = Nearness(encoder)
    same = check("The bridge in the harbour was opened in 1932.", PASSAGES)
    far = check("The bridge in the harbour was opened in 1932. Cats sleep for most of the day and purr.", PASSAGES)

    assert same.value is not None
    assert far.value is not None
    assert same.value < 0.1 < far.value
    assert far.spans == ((46, 86),)


def test_what_cannot_be_compared_says_why(encoder: Encoder) -> None:
    check = Nearness(encoder)
    assert check(" \n", PASSAGES).reason == "empty answer"
    assert check("Rome.", [" "]).reason == "no context"
    assert check("Rome. " * SENTENCES, ["Oslo."]).reason == (
        f"expected at most {SENTENCES} sentences of answer and context, got {SENTENCES + 1}"
    )


def test_the_score_is_measured_where_there_is_an_encoder(encoder: Encoder) -> None:
    trace = line(1, response="Cats purr.", context=[{"id": "a", "text": PASSAGES[0]}])
    checks = {"grounding.embedding": Checking(Nearness(encoder), 1.0, 9.0, float)}
    without, with_encoder = (
        Scorer(embedder=None, name="toy", dimension=2, checks=found).score(decoded([trace, trace])).scores
        for found in (None, checks)
    )
    first, second = with_encoder["grounding.embedding"]
    assert without["grounding.embedding"][0].reason == (
        "no encoder: embedding.source is trace, or grounding.embedding_share is 0"
    )
    assert first == second == Nearness(encoder)("Cats purr.", [PASSAGES[0]])
