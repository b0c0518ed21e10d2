"""The command as it is typed."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from monitor.cli import main
from tests.web.tap.support import reply, speaking


def test_a_tap_passes_requests_on_until_it_is_told_to_stop(tmp_path: Path) -> None:
    def say(_call: object, handler: object) -> None:
        reply(handler, 200, {"ok": True})  # type: ignore[arg-type]

    environment = {**os.environ, "DRIFTWARDEN_LOG__FORMAT": "text"}
    with speaking(say) as upstream, subprocess.Popen(
        [sys.executable, "-m", "monitor", "tap", "--upstream", f"{upstream.address}/v1", "--port", "0"],
        env=environment, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
    ) as process:  # fmt: skip
        assert process.stderr is not None
        told = next(line for line in process.stderr if "started" in line)
        address = re.search(r"http://\S+?(?=,)", told)
        assert address is not None
        answer = httpx.get(f"{address[0]}/health", timeout=30)
        process.send_signal(signal.SIGTERM)
        rest = process.stderr.read()
        code = process.wait(30)
    assert answer.json() == {"ok": True}
    assert f"upstream {upstream.address}" in told
    assert "stopped" in rest
    assert code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["tap"], 78, "DRIFTWARDEN_TAP__UPSTREAM is not set"),
        (["tap", "--upstream", "localhost:8000"], 2, "expected http://HOST… or https://HOST…"),
    ],
)
def test_what_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str],
    code: int, reason: str,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == code
    assert reason in capsys.readouterr().err
