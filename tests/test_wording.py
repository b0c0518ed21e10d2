import pytest

from detectors.cause import Cause
from detectors.intervals import Estimate
from monitor.model.diagnosis import Size
from monitor.wording import detail, manner, sentence, source


def size(low: float, value: float, high: float) -> Size:
    return Size(Estimate("", 1.0, 0.9, 1.1), Estimate("", value, low, high), "", 10.0)


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


REST = Cause("unexplained", "", 0.1, 1.0)


@pytest.mark.parametrize(
    ("causes", "said"),
    [
        ([Cause("build", "bot:int4-7f", 0.9, 0.0)], "on build bot:int4-7f"),
        ([Cause("build", "bot:int4-7f", 0.5, 0.0)], "on build bot:int4-7f (50 % of it)"),
        ([Cause("adapter", "sql@4", 1.2, 0.0, (("service", "app@7"),))], "on adapter sql@4 or service app@7"),
        ([Cause("adapter", "", 0.9, 0.0)], "without adapter"),
        ([Cause("model", "", 0.9, 0.0)], "in the model itself, where no label changed,"),
        ([Cause("cache", "semantic", 0.9, 0.0)], "in answers from the semantic cache"),
        ([Cause("cache", "", 0.9, 0.0)], "with fewer answers from a cache"),
        ([Cause("tenant", "acme", 0.9, 0.0)], "with the traffic of tenant acme"),
        ([Cause("new_topic", "", 0.9, 0.0)], "with a new topic about refunds"),
        (
            [Cause("build", "x", 0.6, 0.0), Cause("traffic_mix", "", 0.3, 0.0)],
            "on build x (60 % of it) and with other shares of the same topics (30 % of it)",
        ),
        ([], "from a cause that no trace surely tells of"),
    ],
)
def test_the_source_is_a_part_of_a_sentence(causes: list[Cause], said: str) -> None:
    assert source([*causes, REST], " about refunds", clear=True) == said


def test_where_the_traces_show_no_shift_yet_the_cause_is_not_clear_yet() -> None:
    assert source([REST], "", clear=False) == "from a cause not yet clear"


def test_what_is_not_known_is_not_said() -> None:
    assert detail(None, prompts_moved=None, how="") == ""
    assert detail(None, prompts_moved=True, how="") == "the prompts moved"
    assert detail(0.004, prompts_moved=True, how="") == "all mix; the prompts moved"


@pytest.mark.parametrize(
    ("sizes", "said"),
    [
        ({"response.tokens": size(5.0, 10.0, 15.0)}, "longer answers"),
        ({"response.tokens": size(-15.0, -10.0, -5.0), "abstention": size(0.1, 0.2, 0.3)}, "more refusals"),
        ({"latency": size(-0.9, -0.5, -0.1)}, "faster answers"),
        ({"response.embedding": Size(Estimate("", 1.0, 0.9, 1.1), None, "", None)}, ""),
        ({"hedging": size(-0.1, 0.1, 0.3)}, ""),  # may be none
    ],
)
def test_the_most_telling_signal_that_surely_moved_says_how(sizes: dict[str, Size], said: str) -> None:
    assert manner(sizes) == said
