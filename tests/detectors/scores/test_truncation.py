import pytest

from detectors.truncation import truncation

LONG = "The bridge carries eight lanes of traffic, and below them run two lines of railway that"


@pytest.mark.parametrize(
    ("answer", "reason", "value"),
    [
        ("It is", "length", 1.0),
        ("It is", "content_filter", 1.0),
        ("", "length", 1.0),
        (LONG, "stop", 0.0),
        (LONG, "tool_call", 0.0),
        (LONG, None, 0.5),
        (LONG + " lead north.", None, 0.0),
        (LONG + " lead north.\n\n", None, 0.0),
        ("Ralph Freeman", None, 0.0),
        ("```python\nx = 1", None, 0.5),
        ("```python\nx = 1\n```", None, 0.0),
        ("今天天气很好。" * 20, None, 0.0),
        ("今天天气很好，" * 20 + "我们去", None, 0.5),
    ],
)
def test_a_cut_is_told_by_the_reason_else_by_the_text(answer: str, reason: str | None, value: float) -> None:
    (score,) = truncation([answer], [reason])
    assert score.value == value
    assert bool(score.spans) == bool(value and answer)


def test_the_span_is_the_last_sentence() -> None:
    answer = "It begins. Then it"
    assert [answer[start:end] for start, end in truncation([answer], ["length"])[0].spans] == ["Then it"]


def test_nothing_without_a_reason_is_no_answer_to_tell_of() -> None:
    (score,) = truncation([" "], [None])
    assert (score.status, score.reason) == ("insufficient_input", "no finish reason and an empty answer")
