import json
from pathlib import Path

import pytest

from monitor.cli import main

TRACE = {
    "id": "t1", "schema_version": "1.0", "time": "2026-05-01T00:00:00Z", "model": {"name": "bot"},
    "prompt_text": "How long do refunds take?",
    "output_messages": [{"parts": [{"content": "Couriers bring gold coins at night."}], "finish_reason": "stop"}],
    "context": [{"id": "a", "text": "Refunds take five days."}],
}  # fmt: skip
POLICY = """
version: 1
name: p
deadline_ms: 60000
rules:
  - {name: injection, stage: input, mode: enforce, then: deny, when: {check: injection}}
  - {name: grounded, stage: output, mode: enforce, then: abstain,
     when: {check: score, score: grounding.lexical, threshold: 0.5}}
"""


@pytest.fixture(autouse=True)
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "policy.yaml").write_text(POLICY)


def code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["guard", *arguments])
    return int(ended.value.code or 0)


def test_a_prompt_and_an_answer_are_checked(capsys: pytest.CaptureFixture[str]) -> None:
    asked = (
        "--prompt",
        "Refunds?",
        "--response",
        "Couriers bring gold coins at night.",
        "--context",
        "Refunds take five days.",
    )
    assert code("check", "--policy", "policy.yaml", *asked) == 1
    told = capsys.readouterr().out
    assert "input  allow (none)" in told
    assert "output abstain (replace)" in told
    assert "grounded: 0.591 ≥ 0.5, enforce: abstain, output [0, 8) [9, 14)" in told
    assert "said instead: I don't know." in told


def test_a_trace_is_checked_at_both_stages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "trace.json").write_text(json.dumps(TRACE))
    assert code("check", "trace.json", "--policy", "policy.yaml", "--format", "json") == 1
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["stage"], first["verdict"]) == ("input", "allow")
    assert (second["stage"], second["verdict"]) == ("output", "abstain")


def test_what_passes_ends_with_zero(capsys: pytest.CaptureFixture[str]) -> None:
    main(["guard", "--policy", "policy.yaml", "check", "--prompt", "Refunds?"])
    assert "input  allow" in capsys.readouterr().out


def test_the_example_is_printed_whole(capsys: pytest.CaptureFixture[str]) -> None:
    main(["guard", "example"])
    assert capsys.readouterr().out.startswith("# A policy for a support assistant")


def test_what_is_no_request_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "trace.json").write_text("{}")
    assert code("check", "trace.json", "--policy", "policy.yaml") == 1
    assert "neither a request nor a trace" in capsys.readouterr().err
    assert code("check", "--policy", "policy.yaml") == 2


def test_a_wrong_policy_stops_the_start_with_its_fault(capsys: pytest.CaptureFixture[str]) -> None:
    Path("policy.yaml").write_text("version: 1\nname: p\nrules: []\n")
    assert code("--policy", "policy.yaml") == 78
    assert "policy policy.yaml: rules: expected `array` of length >= 1" in capsys.readouterr().err


def test_without_policies_the_service_says_what_to_set(capsys: pytest.CaptureFixture[str]) -> None:
    assert code() == 78
    assert "DRIFTWARDEN_GUARD__POLICIES is not set" in capsys.readouterr().err
