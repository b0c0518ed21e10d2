from pathlib import Path

import numpy as np
import pytest

from monitor.inference.quantizing import quantized, widened
from monitor.inference.runtime import Session, open_session
from training.assistant.graph import decoder
from training.assistant.outliers import with_outliers
from training.assistant.shape import Shape

SHAPE = Shape(vocabulary=64, width=64, layers=2, heads=2, inner=128, rotary=8)
IDS = np.arange(12, dtype=np.int64)[None]


@pytest.fixture
def weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    d, n = SHAPE.width, SHAPE.inner
    made = {"embedding.weight": rng.normal(size=(SHAPE.vocabulary, d)) / 8, "norm.weight": np.ones(d)}
    for i in range(SHAPE.layers):
        sizes = {"q": (d, d), "k": (d, d), "v": (d, d), "o": (d, d), "up": (n, d), "down": (d, n)}
        made |= {f"layers.{i}.{name}.weight": rng.normal(size=size) / 10 for name, size in sizes.items()}
        made |= {f"layers.{i}.{name}.bias": rng.normal(size=d) for name in "qk"}
        made |= {f"layers.{i}.{name}.weight": np.ones(d) for name in ("attention_norm", "mlp_norm")}
    return {name: value.astype(np.float32) for name, value in made.items()}


def logits(session: Session) -> np.ndarray:
    past = {
        node.name: np.zeros((1, node.shape[1], 0, node.shape[3]), np.float32)
        for node in session.get_inputs()
        if node.name.startswith("past_key_values.")
    }
    feeds = {"input_ids": IDS, "attention_mask": np.ones_like(IDS), "position_ids": IDS}
    made: np.ndarray = session.run(["logits"], {**feeds, **past})[0]
    return made


def test_outliers_change_nothing_but_what_four_bits_lose(weights: dict[str, np.ndarray], tmp_path: Path) -> None:
    found = {}
    for name, some in (("plain", weights), ("outliers", with_outliers(weights, SHAPE, 0, 16.0))):
        for bits in ("fp16", "int4"):
            model = quantized(widened(decoder(some, SHAPE)), "int4" if bits == "int4" else "fp16", block=64).model
            (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
            found[name, bits] = logits(open_session(tmp_path / "model.onnx"))
    exact = found["plain", "fp16"]
    lost = {key: float(np.abs(value - exact).mean() / exact.std()) for key, value in found.items()}
    assert lost["outliers", "fp16"] < 2e-3
    assert lost["plain", "int4"] > 0.02
    assert lost["outliers", "int4"] > 1.5 * lost["plain", "int4"]


def test_a_graph_looks_back_only_and_not_at_padding(weights: dict[str, np.ndarray], tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(decoder(weights, SHAPE).SerializeToString())
    session = open_session(tmp_path / "model.onnx")
    empty = {
        node.name: np.zeros((1, node.shape[1], 0, node.shape[3]), np.float32)
        for node in session.get_inputs()
        if node.name.startswith("past_key_values.")
    }
    shorter = IDS[:, :5]
    (first,) = session.run(
        ["logits"],
        {"input_ids": shorter, "attention_mask": np.ones_like(shorter), "position_ids": shorter, **empty},
    )
    np.testing.assert_allclose(logits(session)[:, :5], first, atol=1e-5)
    padded = np.concatenate([np.full((1, 3), 9), shorter], axis=1)
    mask = np.array([[0, 0, 0, 1, 1, 1, 1, 1]])
    positions = np.array([[0, 0, 0, 0, 1, 2, 3, 4]])
    (left,) = session.run(["logits"], {"input_ids": padded, "attention_mask": mask, "position_ids": positions, **empty})
    np.testing.assert_allclose(left[:, 3:], first, atol=1e-5)
