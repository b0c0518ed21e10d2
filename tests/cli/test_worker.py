"""The command as it is typed: what starts, what it says, and what stops it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from monitor.cli import main
from monitor.inference.decoder.seeded import seeded_folder


def test_a_worker_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    folder = seeded_folder(tmp_path / "bot", "growing")
    environment = {**os.environ, "HOME": str(tmp_path), "DRIFTWARDEN_LOG__FORMAT": "text"}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    with subprocess.Popen(
        [sys.executable, "-m", "monitor", "worker", str(folder), "--port", "0", "--name", "helper-7b", "--slots", "2"],
        env=environment, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        told = next(line for line in process.stderr if "started" in line)
        address = re.search(r"http://\S+?(?=,)", told)
        assert address is not None
        answer = httpx.post(
            f"{address[0]}/v1/completions", json={"model": "helper-7b", "prompt": "a", "max_tokens": 3}, timeout=30
        )
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        code = process.wait(30)
    assert answer.json()["usage"]["completion_tokens"] <= 3
    assert "helper-7b:fp32-" in told
    assert "stopped" in rest
    assert code == 0
    # ONNX Runtime would leave a device id under HOME.
    assert [path.name for path in tmp_path.iterdir()] == ["bot"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["worker"], "DRIFTWARDEN_WORKER__MODEL is not set"),
        (["worker", "empty"], "no model in empty: expected one of model.onnx"),
        (["worker", "absent"], "no model in absent: expected one of model.onnx"),
    ],
)
def test_what_is_missing_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 78
    assert reason in capsys.readouterr().err


def test_the_shipped_model_is_served_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from monitor.events import Event
    from monitor.settings import WorkerSettings
    from monitor.wiring.loading import loaded

    monkeypatch.chdir(tmp_path)
    events: list[Event] = []
    found = loaded(WorkerSettings(model=Path("assistant")), events.append)
    assert (found.name, found.build.precision) == ("orrel-assistant", "fp16")
    assert events == []


def test_cuda_without_cuda_is_an_error_unless_the_settings_allow_the_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import onnxruntime

    from monitor.events import Away, Event
    from monitor.settings import WorkerSettings
    from monitor.wiring.loading import loaded

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    monkeypatch.chdir(tmp_path)
    folder = seeded_folder(tmp_path / "bot", "shared")
    with pytest.raises(SystemExit):
        main(["worker", str(folder), "--provider", "cuda"])
    events: list[Event] = []
    found = loaded(WorkerSettings(model=folder, provider="cuda", fallback=True), events.append)
    assert "provider 'cuda' is not in onnxruntime" in capsys.readouterr().err
    assert found.decoder.provider == "CPUExecutionProvider"
    assert [event.what for event in events if isinstance(event, Away)] == ["cuda"]
