from pathlib import Path

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from monitor.errors import Permanent
from monitor.inference.adapters import merged, read_adapter

A = np.ones((2, 4), np.float32)
B = np.ones((3, 2), np.float32)
MATRIX = "model.layers.0.mlp.up_proj"


def peft(folder: Path, tensors: dict[str, np.ndarray]) -> Path:
    """A folder as PEFT saves it."""
    header, body = {}, b""
    for name, tensor in tensors.items():
        raw = tensor.astype("<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": tensor.shape, "data_offsets": (len(body), len(body) + len(raw))}
        body += raw
    said = msgspec.json.encode(header)
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(len(said).to_bytes(8, "little") + said + body)
    (folder / "adapter_config.json").write_text('{"lora_alpha": 8, "r": 2, "peft_type": "LORA"}')
    return folder


def model(weight: np.ndarray, **attributes: int) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])
    node = helper.make_node("Gemm" if attributes else "MatMul", ["x", f"{MATRIX}.weight"], ["y"], **attributes)
    tensor = numpy_helper.from_array(weight, f"{MATRIX}.weight")
    return helper.make_model(helper.make_graph([node], "one", [x], [y], [tensor]))


def test_pefts_names_and_scale_are_read(tmp_path: Path) -> None:
    names = {f"base_model.model.{MATRIX}.lora_A.weight": A, f"base_model.model.{MATRIX}.lora_B.weight": B}
    found = read_adapter(peft(tmp_path / "style", names))
    assert found.name == "style"
    np.testing.assert_array_equal(found.factors[MATRIX].product, np.full((3, 4), 8 / 2 * 2))


@pytest.mark.parametrize(
    ("weight", "attributes"), [(np.zeros((4, 3), "f4"), {}), (np.zeros((3, 4), "f4"), {"transB": 1})]
)
def test_a_matrix_is_changed_however_it_lies(tmp_path: Path, weight: np.ndarray, attributes: dict[str, int]) -> None:
    a = np.arange(8, dtype=np.float32).reshape(2, 4)
    names = {f"{MATRIX}.lora_A.weight": a, f"{MATRIX}.lora_B.weight": B}
    made = merged(model(weight, **attributes), read_adapter(peft(tmp_path / "style", names)))
    expected = 4 * (B @ a)
    np.testing.assert_array_equal(
        numpy_helper.to_array(made.graph.initializer[0]), expected if attributes else expected.T
    )


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({}, "expected tensors named"),
        ({f"{MATRIX}.lora_A.weight": A}, "lora_B.weight is not"),
        ({f"{MATRIX}.lora_A.weight": A, f"{MATRIX}.lora_B.weight": B.T}, r"expected shapes \(r, in\) and \(out, r\)"),
        ({f"{MATRIX}.lora_A.weight": A, f"{MATRIX}.lora_B.weight": B, "bias": A}, "bias is no part"),
        ({f"{MATRIX}.lora_A.weight": A * np.nan, f"{MATRIX}.lora_B.weight": B}, "not all numbers are finite"),
    ],
)
def test_what_is_no_adapter_is_refused(tmp_path: Path, tensors: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(Permanent, match=message):
        read_adapter(peft(tmp_path / "style", tensors))


def test_a_file_that_is_not_there_or_no_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="no adapter at"):
        read_adapter(tmp_path / "absent.npz")
    (tmp_path / "junk.npz").write_bytes(b"junk")
    with pytest.raises(Permanent, match=r"junk\.npz: not an archive"):
        read_adapter(tmp_path / "junk.npz")


def test_an_adapter_for_another_model_is_refused(tmp_path: Path) -> None:
    names = {f"{MATRIX}.lora_A.weight": A, f"{MATRIX}.lora_B.weight": B}
    style = read_adapter(peft(tmp_path / "style", names))
    with pytest.raises(Permanent, match=r"expected shape \(5, 3\), got \(4, 3\)"):
        merged(model(np.zeros((5, 3), np.float32)), style)
    other = model(np.zeros((4, 3), np.float32))
    other.graph.initializer[0].name = other.graph.node[0].input[1] = "onnx::MatMul_7"
    with pytest.raises(
        Permanent, match=r"no product with model\.layers\.0\.mlp\.up_proj\.weight; it has onnx::MatMul_7"
    ):
        merged(other, style)
