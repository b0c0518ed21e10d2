from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from monitor.errors import Permanent
from monitor.inference.shipped import ASSISTANT, model_folder
from monitor.inference.variants import Identity, Precision, Recipe, identify, make_variant
from monitor.model.trace import Quantization

WIDTH = 64
MATRIX = np.random.default_rng(0).normal(size=(WIDTH, 48)).astype(np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model of one product, with the files a build needs."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", WIDTH])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 48])
    node = helper.make_node("MatMul", ["x", "layer.q_proj.weight"], ["y"], name="layer.q_proj")
    graph = helper.make_graph([node], "one", [x], [y], [numpy_helper.from_array(MATRIX, "layer.q_proj.weight")])
    made = tmp_path / "model"
    made.mkdir()
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), made / "model.onnx")
    (made / "tokenizer.json").write_text("{}")
    (made / "build.json").write_text('{"name": "one", "version": "1"}')
    (made / "card.json").write_text('{"of": "this build"}')
    (made / "chat_template.jinja").write_text("{{ messages }}")
    return made


def product(folder: Path) -> np.ndarray:
    """What the model makes of the identity: its matrix, as far as its precision goes."""
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / "model.onnx")
    made: np.ndarray = session.run(None, {"x": np.eye(WIDTH, dtype=np.float32)})[0]
    return made


def variant(folder: Path, precision: Precision, block: int = 32, adapter: Path | None = None) -> tuple[Path, Identity]:
    target = folder.with_name(f"{precision}-{block}")
    return target, make_variant(folder, target, Recipe(precision, block, adapter))


def test_fewer_bits_are_further_from_the_matrix(folder: Path) -> None:
    errors = [
        float(np.abs(product(variant(folder, precision, block)[0]) - MATRIX).max())
        for precision, block in (("fp32", 32), ("fp16", 32), ("int8", 32), ("int4", 32))
    ]
    assert errors[0] == 0.0
    assert errors[1] == pytest.approx(np.abs(MATRIX.astype(np.float16) - MATRIX).max())
    assert errors[1] < errors[2] < errors[3] < 0.5


def test_a_build_says_how_it_was_quantized(folder: Path) -> None:
    _, eight = variant(folder, "int8")
    _, four = variant(folder, "int4", 64)
    assert (eight.model.precision, eight.model.quantization) == ("int8", Quantization(method="dynamic", bits=8))
    assert four.model.quantization == Quantization(method="round-to-nearest", bits=4, group_size=64)
    assert four.model.version == "1"


def test_half_precision_comes_back_as_it_went(folder: Path) -> None:
    half, _ = variant(folder, "fp16")
    back = folder.with_name("back")
    make_variant(half, back, Recipe("fp32"))
    np.testing.assert_array_equal(product(back), MATRIX.astype(np.float16).astype(np.float32))


def test_an_adapter_adds_its_product_to_the_matrix(folder: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, WIDTH)).astype(np.float32), rng.normal(size=(48, 2)).astype(np.float32)
    path = tmp_path / "other.npz"
    np.savez(path, **{"layer.q_proj.lora_A.weight": a, "layer.q_proj.lora_B.weight": b, "alpha": np.array(6.0)})
    made, found = variant(folder, "fp32", adapter=path)
    np.testing.assert_allclose(product(made), MATRIX + 3.0 * (b @ a).T, rtol=1e-5, atol=1e-5)
    assert found.model.adapter is not None
    assert found.model.adapter.name == "other"


def test_the_same_recipe_gives_the_same_build_and_another_file_another(folder: Path) -> None:
    first = make_variant(folder, folder.with_name("a"), Recipe("int8"))
    second = make_variant(folder, folder.with_name("b"), Recipe("int8"))
    assert first.hash == second.hash
    (folder.with_name("b") / "chat_template.jinja").write_text("{{ messages }}!")
    assert identify(folder.with_name("b")).hash != first.hash
    assert identify(folder.with_name("b")).label != first.label


def test_what_speaks_of_the_old_build_is_left_behind(folder: Path) -> None:
    made, _ = variant(folder, "int8")
    assert sorted(path.name for path in made.iterdir()) == [
        "build.json", "chat_template.jinja", "model.onnx", "tokenizer.json",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "tokenizer.json").unlink(), r"no tokenizer\.json in"),
        (lambda folder: (folder / "model.onnx").unlink(), r"no model\.onnx in"),
        (lambda folder: (folder / "model.onnx").write_bytes(b"junk"), "not an ONNX model"),
        (lambda folder: (folder / "build.json").write_text("[]"), "Expected `object`"),
        (lambda folder: folder.with_name("int4-32").mkdir(), "is there already"),
    ],
)
def test_a_broken_folder_is_named(folder: Path, spoil: object, message: str) -> None:
    spoil(folder)  # type: ignore[operator]
    with pytest.raises(Permanent, match=message):
        variant(folder, "int4")
    assert not (folder.with_name("int4-32") / "model.onnx").exists()


def test_a_block_that_no_kernel_has_is_refused(folder: Path) -> None:
    with pytest.raises(Permanent, match="expected one of 16, 32, 64, 128, 256, got 20"):
        variant(folder, "int4", 20)


def test_what_is_quantized_is_not_quantized_again(folder: Path) -> None:
    made, _ = variant(folder, "int8")
    with pytest.raises(Permanent, match="quantized already"):
        make_variant(made, folder.with_name("again"), Recipe("int4"))


def test_the_shipped_assistant_is_known_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert model_folder(Path("assistant")) == ASSISTANT
    (tmp_path / "assistant").mkdir()
    assert model_folder(Path("assistant")) == Path("assistant")
