import pytest

from detectors.cause import Cause
from detectors.effect import Effect
from monitor.model.segment import Segment
from monitor.model.verdict import Verdict
from monitor.wording import manner, sentence, whole
from tests.stores import START


def verdict(signal: str, before: float | None, now: float | None) -> Verdict:
    effect = Effect("psi", 0.4, before, now, 0.3, 0.0, 0.0)
    return Verdict(Segment(), signal, 1, START, 60.0, effect, 24.0, 12.0, drifted=True, onset=START, shares={})


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (Cause("build", "bot:int4-7f", 0.714, 0.0), "build bot:int4-7f answers otherwise (71 %)"),
        (Cause("prompt_template", "qa@3", 1.2, 0.0), "prompt template qa@3 answers otherwise (100 %)"),
        (Cause("model", "m2", 0.5, 0.0), "model m2 answers otherwise (50 %)"),
        (Cause("model", "", 0.5, 0.0), "the model itself answers otherwise: no label changed (50 %)"),
        (Cause("cache", "semantic", 0.5, 0.0), "answers from the semantic cache changed (50 %)"),
        (Cause("cache", "", 0.5, 0.0), "fewer answers come from a cache (50 %)"),
        (Cause("adapter", "", 0.5, 0.0), "answers without adapter differ (50 %)"),
        (Cause("tenant", "acme", 0.5, 0.0), "the traffic of tenant acme (50 %)"),
        (Cause("new_topic", "", 0.5, 0.0), "a new topic about refunds (50 %)"),
        (Cause("traffic_mix", "", 0.5, 0.0), "the same topics are asked about in other shares (50 %)"),
        (Cause("unexplained", "", 1.0, 1.0), "no change seen in the traces explains it (100 %)"),
        (
            Cause("adapter", "sql@4", 0.5, 0.0, (("prompt_template", "qa@3"), ("service", "app@7"))),
            "adapter sql@4 answers otherwise (50 %), changed on the same traces as prompt template qa@3"
            " and service app@7",
        ),
    ],
)
def test_a_cause_is_a_sentence(cause: Cause, said: str) -> None:
    assert sentence(cause, " about refunds") == said


def test_the_whole_is_one_sentence() -> None:
    said = whole(["build x answers otherwise (71 %)"], 0.71, prompts_moved=False, how="more refusals about refunds")

    assert said == (
        "build x answers otherwise (71 %): 71 % behaviour, 29 % mix; the prompts did not move;"
        " more refusals about refunds"
    )


def test_what_is_not_known_is_not_said() -> None:
    assert whole(["nothing explains it"], None, prompts_moved=None, how="") == "nothing explains it"
    assert whole(["a", "b", "c", "d"], None, prompts_moved=True, how="") == "a and b and c; the prompts moved"


@pytest.mark.parametrize(
    ("signals", "said"),
    [
        ([("response.tokens", 80.0, 90.0)], "longer answers"),
        ([("response.tokens", 80.0, 70.0), ("abstention", 0.1, 0.3)], "more refusals"),
        ([("latency", 1.0, 0.5)], "faster answers"),
        ([("latency", None, 0.5), ("response.embedding", None, None)], ""),
        ([("hedging", 0.1, 0.1)], ""),
    ],
)
def test_the_most_telling_signal_says_how(signals: list[tuple[str, float | None, float | None]], said: str) -> None:
    assert manner([verdict(*signal) for signal in signals]) == said
