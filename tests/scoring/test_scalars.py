import numpy as np
import pytest

from monitor.scoring.scalars import record_columns
from tests.stores import START, decoded, line

ANSWER = {"parts": [{"content": "Yes."}], "finish_reason": "length"}


def columns(**fields: object) -> dict[str, object]:
    """The columns of one trace as plain values."""
    found = record_columns(decoded([line(1, **fields)]), ["Is it?"], ["Yes."])
    return {name: column[0] for name, column in found.items()}


def test_what_the_record_says_is_read() -> None:
    found = columns(
        usage={"input_tokens": 12, "output_tokens": 34},
        timing={"total_s": 1.5, "ttft_s": 0.25},
        output_messages=[ANSWER],
        guard={"verdict": "abstain"},
    )

    assert found == {
        "prompt.characters": 6.0,
        "prompt.tokens": 12.0,
        "response.characters": 4.0,
        "response.tokens": 34.0,
        "latency": 1.5,
        "time_to_first_token": 0.25,
        "finish_reason": "length",
        "status": "ok",
        "guard.verdict": "abstain",
    }


def test_what_the_record_does_not_say_is_missing() -> None:
    found = columns(usage={}, output_messages=[])
    missing = {name for name, value in found.items() if str(value) in ("None", "nan")}

    assert missing == {
        "prompt.tokens",
        "response.tokens",
        "latency",
        "time_to_first_token",
        "finish_reason",
        "guard.verdict",
    }
    assert found["status"] == "ok"


@pytest.mark.parametrize(
    ("fields", "latency"),
    [
        ({"timing": {"total_s": 2.5}, "end_time": "2090-05-01T12:00:09Z"}, 2.5),
        ({"end_time": "2090-05-01T12:00:09Z"}, 9.0),
        ({"end_time": "2090-05-01T12:00:00Z"}, 0.0),
        ({"end_time": "2090-05-01T11:59:59Z"}, np.nan),
    ],
)
def test_latency_is_measured_else_the_time_between_the_instants(fields: dict[str, object], latency: float) -> None:
    assert START.isoformat() == "2090-05-01T12:00:00+00:00"
    assert columns(**fields)["latency"] == pytest.approx(latency, nan_ok=True)


def test_tokens_are_counted_by_their_log_probabilities_where_nobody_else_did() -> None:
    assert columns(usage={}, logprobs={"logprob": [-0.1, -0.2, -0.3]})["response.tokens"] == 3
    assert columns(usage={"output_tokens": 7}, logprobs={"logprob": [-0.1]})["response.tokens"] == 7
    assert columns(usage={"output_tokens": 0})["response.tokens"] == 0
    assert np.isnan(columns(usage={}, logprobs={"logprob": []})["response.tokens"])  # type: ignore[call-overload]


def test_an_error_is_told_by_its_type() -> None:
    assert columns(status="error")["status"] == "error"
    assert columns(status="error", error_type="timeout")["status"] == "timeout"
