"""An adapter beside its graph does what a merged one does, in both exports and to weights of any precision."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest

from monitor.errors import Permanent
from monitor.inference.adapter_inputs import read_inputs, write_inputs
from monitor.inference.adapters import Factors, LowRank, read_adapter
from monitor.inference.card import ADAPTER
from monitor.inference.decoder.decoder import Decoder
from monitor.inference.decoder.seeded import Export, Shape, seeded_folder
from monitor.inference.variants import Recipe, identify, make_variant
from monitor.model.generation import Draw

SHAPE = Shape()
CHANGED = {"0.q": (64, 64), "1.down": (96, 64)}
PROMPT = [72, 111, 119, 32, 108, 111, 110, 103]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models of both exports, builds of them, and an adapter for two of their matrices."""
    root = tmp_path_factory.mktemp("adapters")
    rng = np.random.default_rng(5)
    arrays = {"alpha": np.array(4.0)}
    for matrix, (wide, narrow) in CHANGED.items():
        arrays[f"layers.{matrix}.lora_A.weight"] = rng.normal(size=(2, wide)).astype(np.float32) / 8
        arrays[f"layers.{matrix}.lora_B.weight"] = rng.normal(size=(narrow, 2)).astype(np.float32) / 2
    np.savez(root / "style.npz", **arrays)  # type: ignore[arg-type]
    exports: tuple[Export, ...] = ("growing", "shared")
    for export in exports:
        folder = named(seeded_folder(root / export, export))
        for kept in ("merged", "inputs"):
            make_variant(folder, root / f"{export}-{kept}", Recipe("fp32", adapter=root / "style.npz", kept=kept))  # type: ignore[arg-type]
    return root


def named(folder: Path) -> Path:
    """The folder with its matrices named as adapters name them."""
    model = onnx.load(folder / "model.onnx")
    for tensor in model.graph.initializer:
        if tensor.name in CHANGED:
            new = f"layers.{tensor.name}.weight"
            for node in model.graph.node:
                node.input[:] = [new if name == tensor.name else name for name in node.input]
            tensor.name = new
    onnx.save(model, folder / "model.onnx")
    return folder


def said(folder: Path) -> np.ndarray:
    """Log-probabilities ``(2, v)`` after the prompt and after a token more."""
    decoder = Decoder.load(folder / "model.onnx", slots=2, length=64)
    draw = Draw(np.zeros(1, np.float32), np.zeros(1, np.float32), whole=True)
    steps = [decoder.prompt(PROMPT, draw), decoder.step([65], draw)]
    return np.concatenate([step.whole for step in steps if step.whole is not None])


@pytest.mark.parametrize("export", ["growing", "shared"])
def test_an_adapter_beside_the_weights_does_what_a_merged_one_does(root: Path, export: str) -> None:
    base, merged, beside = (said(root / f"{export}{kept}") for kept in ("", "-merged", "-inputs"))
    np.testing.assert_allclose(beside, merged, atol=2e-5)
    assert np.abs(merged - base).max() > 0.1


def test_the_graph_alone_is_the_model_without_adapter(root: Path, tmp_path: Path) -> None:
    import onnxruntime

    graphs = [onnxruntime.InferenceSession(root / name / "model.onnx") for name in ("growing", "growing-inputs")]
    past = {
        f"past_key_values.{i}.{part}": np.zeros((1, 2, 0, 16), np.float32) for i in (0, 1) for part in ("key", "value")
    }
    ids = np.array([PROMPT])
    feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids), "position_ids": np.arange(ids.size)[None], **past}
    plain, opened = (graph.run(["logits"], feeds)[0] for graph in graphs)
    np.testing.assert_array_equal(opened, plain)


def test_weights_are_quantized_and_the_adapter_is_not(root: Path, tmp_path: Path) -> None:
    adapter = read_adapter(root / "style.npz")
    for precision in ("int8", "int4"):
        target = tmp_path / precision
        found = make_variant(root / "growing", target, Recipe(precision, adapter=root / "style.npz", kept="inputs"))  # type: ignore[arg-type]
        graph = onnx.load(target / "model.onnx").graph
        operators = {node.op_type for node in graph.node}
        assert operators & {"MatMulNBits", "MatMulInteger"}
        assert found.model.precision == precision
        kept = read_inputs(target / ADAPTER)
        for matrix, factors in adapter.factors.items():
            product = kept[f"{matrix}.lora_A.weight"] @ kept[f"{matrix}.lora_B.weight"]
            np.testing.assert_allclose(product.T, factors.product, rtol=1e-5, atol=1e-6)
        assert np.isfinite(said(target)).all()


def test_another_adapter_is_another_build(root: Path, tmp_path: Path) -> None:
    build = shutil.copytree(root / "growing-inputs", tmp_path / "build")
    before = identify(build)
    factors = {
        f"layers.{m}": Factors(np.ones((1, wide), "f4"), np.ones((narrow, 1), "f4"))
        for m, (wide, narrow) in CHANGED.items()
    }
    write_inputs(LowRank("other", "", factors), build / ADAPTER)
    assert before.model.adapter is not None
    assert before.model.adapter.name == "style"
    assert before.hash == identify(root / "growing-inputs").hash
    assert identify(build).hash != before.hash


def test_what_does_not_fit_the_graph_is_refused(root: Path, tmp_path: Path) -> None:
    build = shutil.copytree(root / "growing-inputs", tmp_path / "build")

    def load() -> None:
        Decoder.load(build / "model.onnx", slots=1, length=8)

    def give(**shapes: tuple[int, int]) -> None:
        factors = {
            f"layers.{m}": Factors(np.ones((1, wide), "f4"), np.ones((narrow, 1), "f4"))
            for m, (wide, narrow) in shapes.items()
        }
        write_inputs(LowRank("other", "", factors), build / ADAPTER)

    give(**CHANGED | {"0.q": (32, 64)})
    with pytest.raises(Permanent, match=r"0\.q\.lora_A\.weight: expected shape \(64, .*\), got \(32, 1\)"):
        load()
    give(**{"0.q": (64, 64)})
    with pytest.raises(Permanent, match=r"1\.down\.lora_A\.weight is in the graph alone"):
        load()
    give(**CHANGED | {"0.k": (64, 32)})
    with pytest.raises(Permanent, match=r"0\.k\.lora_A\.weight is in the adapter alone"):
        load()
    (build / ADAPTER).write_bytes(b"junk")
    with pytest.raises(Permanent, match=r"model\.onnx_adapter: not an adapter of ONNX Runtime"):
        load()
    (build / ADAPTER).unlink()
    with pytest.raises(Permanent, match="which the graph takes as inputs"):
        load()


def test_a_build_with_an_adapter_beside_it_is_no_source(root: Path, tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="start from the build without it"):
        make_variant(root / "growing-inputs", tmp_path / "new", Recipe("int4"))
