"""The classifier on a real graph: the mean of token embeddings through a linear layer, made here."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers

from monitor.errors import Permanent
from monitor.inference.classifier import Classifier

WORDS = ["[UNK]", "good", "bad", "so", "very"]


def made(folder: Path, *, labels: int = 2) -> Path:
    """Logits (−2, 2) for texts of "bad" alone, (2, −2) for "good" alone."""
    table = np.zeros((len(WORDS), 2), np.float32)
    table[1], table[2] = (2, -2), (-2, 2)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["vectors"]),
        helper.make_node("ReduceMean", ["vectors", "axes"], ["logits"], keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", "t"]),
            helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["n", "t"]),
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([1]), "axes")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    folder.mkdir(exist_ok=True)
    onnx.save(model, str(folder / "model.onnx"))
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {str(place): name for place, name in enumerate(["SAFE", "INJECTION", "OTHER"][:labels])}
    (folder / "config.json").write_text(json.dumps({"id2label": names, "max_position_embeddings": 16}))
    return folder


def test_a_label_has_its_probability(tmp_path: Path) -> None:
    classifier = Classifier.load(made(tmp_path))
    sigma = 1 / (1 + np.exp(-4.0))
    assert classifier.labels == ("SAFE", "INJECTION")
    assert classifier.probability("bad", "INJECTION") == pytest.approx(sigma)
    assert classifier.probability("good", "INJECTION") == pytest.approx(1 - sigma)
    assert classifier.probability("so very", "SAFE") == pytest.approx(0.5)


def test_one_bad_passage_makes_a_long_text_bad(tmp_path: Path) -> None:
    classifier = Classifier.load(made(tmp_path))
    text = "good " * 40 + "bad " * 16 + "good " * 40
    assert len(classifier.probabilities(text)) > 5
    assert classifier.probability(text, "INJECTION") > 0.8
    assert classifier.probabilities(text)[0, 1] < 0.2


def test_a_folder_that_is_no_classifier_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match=r"no config.json"):
        Classifier.load(tmp_path)
    with pytest.raises(Permanent, match="expected 3 outputs, one per label, got 2"):
        Classifier.load(made(tmp_path / "three", labels=3))
    (tmp_path / "three" / "tokenizer.json").write_text("{}")
    with pytest.raises(Permanent, match="classifier"):
        Classifier.load(tmp_path / "three")
