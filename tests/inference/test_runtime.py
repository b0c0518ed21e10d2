import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import onnxruntime
import pytest

from monitor.errors import Permanent
from monitor.inference.runtime import open_session, owning_distribution


def installed(*names: str):  # type: ignore[no-untyped-def]
    def version(name: str) -> str:
        if name in names:
            return "1.32.0"
        raise metadata.PackageNotFoundError(name)

    return version


def test_a_session_runs_on_the_provider_asked_for(minilm: Path) -> None:
    session = open_session(minilm / "model.onnx")
    assert session.get_providers() == ["CPUExecutionProvider"]


def test_a_session_has_one_thread_that_does_not_spin(minilm: Path) -> None:
    options = open_session(minilm / "model.onnx").get_session_options()  # type: ignore[attr-defined]
    assert options.intra_op_num_threads == 1
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="CUDA is here")
def test_cuda_without_cuda_is_an_error_and_not_the_cpu(minilm: Path) -> None:
    with pytest.raises(Permanent, match=r"provider 'cuda' is not in onnxruntime; run: .* pip install onnxruntime-gpu"):
        open_session(minilm / "model.onnx", provider="cuda")


def test_a_session_that_fell_back_is_an_error(minilm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What the GPU package does where there is no GPU: it lists the provider, then opens a session without it.
    real = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: None)
    monkeypatch.setattr(
        onnxruntime,
        "InferenceSession",
        lambda model, options, providers: real(model, options, providers=["CPUExecutionProvider"]),
    )
    with pytest.raises(Permanent, match="expected provider CUDAExecutionProvider, got CPUExecutionProvider"):
        open_session(minilm / "model.onnx", provider="cuda")


def test_one_distribution_owns_the_module() -> None:
    assert owning_distribution(installed("onnxruntime-gpu")) == "onnxruntime-gpu"


def test_two_distributions_are_refused_with_the_repair() -> None:
    with pytest.raises(Permanent, match="pip uninstall -y onnxruntime onnxruntime-gpu && pip install onnxruntime"):
        owning_distribution(installed("onnxruntime", "onnxruntime-gpu"))


def test_no_distribution_is_refused_with_the_extra() -> None:
    with pytest.raises(Permanent, match=r"pip install 'driftwarden\[cpu\]'"):
        owning_distribution(installed())


def test_a_module_emptied_by_an_uninstall_is_refused(minilm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(onnxruntime, "InferenceSession")
    with pytest.raises(Permanent, match="onnxruntime is installed without its files; run: pip uninstall"):
        open_session(minilm / "model.onnx")


def test_a_missing_graph_is_named(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match=r"no model at .*absent\.onnx"):
        open_session(tmp_path / "absent.onnx")


def test_a_session_leaves_no_file_under_home(minilm: Path, tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if name not in {"ORT_DISABLE_TELEMETRY"}}
    kept = {name: value for name, value in kept.items() if not name.startswith("XDG_")}
    code = (
        "import sys, pathlib, monitor\n"
        "assert not {'onnxruntime', 'onnx', 'tokenizers'} & set(sys.modules)\n"
        "from monitor.inference.encoder import Encoder\n"
        "print(Encoder.load(pathlib.Path(sys.argv[1])).encode(['hello']).shape)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, str(minilm)],
        env=kept | {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (result.stdout, result.stderr) == ("(1, 384)\n", "")
    assert list(tmp_path.rglob("*")) == []
