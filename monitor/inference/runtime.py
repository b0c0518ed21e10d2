"""ONNX Runtime sessions whose provider is the one that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, cast

from numpy.typing import NDArray

from monitor.errors import Permanent

Provider: TypeAlias = Literal["cpu", "cuda"]

_DISTRIBUTIONS = ("onnxruntime", "onnxruntime-gpu")
_ERRORS_ONLY = 3


class Node(Protocol):
    """An input or an output of a graph."""

    @property
    def name(self) -> str: ...

    @property
    def shape(self) -> Sequence[int | str | None]: ...


class Session(Protocol):
    """What we use of `onnxruntime.InferenceSession`, which ships without types."""

    def run(self, outputs: Sequence[str] | None, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]: ...

    def get_providers(self) -> list[str]: ...

    def get_inputs(self) -> list[Node]: ...

    def get_overridable_initializers(self) -> list[Node]: ...

    def get_outputs(self) -> list[Node]: ...

    def io_binding(self) -> Any: ...

    def run_with_iobinding(self, binding: Any) -> None: ...


def open_session(
    model: Path | bytes, *, threads: int = 1, provider: Provider = "cpu", weights: Path | None = None
) -> Session:
    """A session on the provider asked for, never on another.

    ``model`` is a file or a graph in memory, whose large weights are then in files of the folder ``weights``.

    Raises:
        Permanent: No single distribution of ONNX Runtime, no such provider here, or no such model.
    """
    owner = owning_distribution()
    import onnxruntime  # noqa: PLC0415  slow to import, and it must be known first that one distribution owns it

    if not hasattr(onnxruntime, "InferenceSession"):
        raise Permanent(f"{owner} is installed without its files; {_repair(owner)}")
    wanted = "CUDAExecutionProvider" if provider == "cuda" else "CPUExecutionProvider"
    if wanted not in onnxruntime.get_available_providers():
        raise Permanent(f"provider {provider!r} is not in {owner}; {_repair('onnxruntime-gpu')}")
    if provider == "cuda":
        onnxruntime.preload_dlls()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _ERRORS_ONLY
    # Two spinning threads cost 3.5 times the CPU at 20 requests a second (measured).
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # One plan per shape ever seen would be kept, and our shapes vary.
    options.enable_mem_pattern = False
    if isinstance(model, Path) and not model.is_file():
        raise Permanent(f"no model at {model}")
    if weights is not None:
        options.add_session_config_entry("session.model_external_initializers_file_folder_path", str(weights))
    session = cast("Session", onnxruntime.InferenceSession(model, options, providers=_providers(provider)))
    # A CUDA session that fails falls back to the CPU without an exception: this is the only reliable check.
    if (got := session.get_providers()[0]) != wanted:
        raise Permanent(f"expected provider {wanted}, got {got}: no usable CUDA device or libraries")
    return session


def owning_distribution(version: Callable[[str], str] = metadata.version) -> str:
    """The one distribution that owns the module `onnxruntime`; two overwrite each other without a word.

    Raises:
        Permanent: None is installed, or more than one; the text names the commands that repair it.
    """
    owners = [name for name in _DISTRIBUTIONS if _is_installed(name, version)]
    match owners:
        case [owner]:
            return owner
        case []:
            raise Permanent("ONNX Runtime is not installed; run: pip install 'driftwarden[cpu]' (or [gpu])")
        case _:
            both = " and ".join(owners)
            raise Permanent(f"{both} are both installed and overwrite each other; {_repair('onnxruntime')}")


def _is_installed(name: str, version: Callable[[str], str]) -> bool:
    try:
        version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _repair(keep: str) -> str:
    # Uninstalling one of two leaves an empty module, hence both go before one comes back.
    return f"run: pip uninstall -y {' '.join(_DISTRIBUTIONS)} && pip install {keep}"


def _providers(provider: Provider) -> list[str | tuple[str, dict[str, str]]]:
    if provider == "cpu":
        return ["CPUExecutionProvider"]
    # TF32 keeps 10 bits of the mantissa: vectors that are compared over months stay fp32.
    return [("CUDAExecutionProvider", {"use_tf32": "0"}), "CPUExecutionProvider"]
