from pathlib import Path

import pytest
from click.testing import CliRunner

from monitor.cli import group, main


def run(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(group, ["models", *arguments])
    return done.exit_code, done.output


def test_a_build_is_made_and_told(tmp_path: Path) -> None:
    code, said = run("quantize", "assistant", str(tmp_path / "four"), "--to", "int4", "--block", "64")
    assert code == 0, said
    rows = dict(line.split(maxsplit=1) for line in said.splitlines() if not line.startswith(("quantizing", "built")))
    assert rows["precision"] == "int4"
    assert rows["quantized"] == "round-to-nearest, 4 bits, 64 weights a scale"
    assert rows["label"].startswith("orrel-assistant:int4-")
    assert len(rows["build"]) == 64
    _, again = run("info", str(tmp_path / "four"))
    assert rows["build"] in again


def test_the_shipped_assistant_is_told_by_name() -> None:
    code, said = run("info", "assistant")
    assert code == 0, said
    assert "orrel-assistant 1.0" in said
    assert "precision    fp16" in said


def test_a_folder_without_a_model_is_refused_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["models", "quantize", str(tmp_path / "absent"), str(tmp_path / "new")])
    said = capsys.readouterr().err
    assert ended.value.code not in {0, None}
    assert "no model.onnx in" in said
    assert "Traceback" not in said
