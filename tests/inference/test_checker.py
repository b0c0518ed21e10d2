"""The checker on real graphs made here: a table of logits per token, and for pairs its mean."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from monitor.errors import Permanent
from monitor.inference.checker import Checker

WORDS = ["[UNK]", "[SEP]", "good", "bad", "so", ".", "fine"]


def made(folder: Path, outputs: str, **card: Any) -> Path:
    """Log-odds of BAD are 4 for "bad", −4 for "good", −1 for "so" and "."; a pair has the mean of its tokens."""
    table = np.zeros((len(WORDS), 2), np.float32)
    table[2], table[3] = (4, 0), (0, 4)
    table[4:6] = (1, 0)
    nodes = [helper.make_node("Gather", ["table", "input_ids"], ["logits" if outputs == "tokens" else "each"])]
    shape: list[Any] = ["n", "t", 2]
    if outputs == "pair":
        nodes.append(helper.make_node("ReduceMean", ["each", "axes"], ["logits"], keepdims=0))
        shape = ["n", 2]
    graph = helper.make_graph(
        nodes,
        "checker",
        [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "t"])
            for name in ("input_ids", "token_type_ids")
        ],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(table, "table"), numpy_helper.from_array(np.array([1]), "axes")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, str(folder / "model.onnx"))
    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, "[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A [SEP]", pair="$A [SEP] $B:1 [SEP]:1", special_tokens=[("[SEP]", 1)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    told = {"kind": outputs, "labels": ["GOOD", "BAD"], "bad": ["BAD"], "max_length": 16, **card}
    (folder / "model.json").write_text(json.dumps(told))
    return folder


def sigma(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def test_tokens_of_the_answer_are_labelled_and_their_stretches_are_spans(tmp_path: Path) -> None:
    checker = Checker.load(made(tmp_path, "tokens"))
    found = checker.score("so bad bad. good bad", ["bad"])
    assert found.value == pytest.approx(sigma(4.0))
    assert found.spans == ((3, 10), (17, 20))
    assert checker.score("good good", ["bad"]).value == pytest.approx(sigma(-4.0))


def test_a_long_passage_is_read_in_windows(tmp_path: Path) -> None:
    checker = Checker.load(made(tmp_path, "tokens"))
    once, long = checker.score("so bad", ["so"]), checker.score("so bad", ["so " * 500])
    assert (long.value, long.spans) == (once.value, once.spans)


def test_a_pair_has_its_best_passage_and_an_answer_its_worst_sentence(tmp_path: Path) -> None:
    checker = Checker.load(made(tmp_path, "pair"))
    # "good good [SEP] bad . [SEP]" has the mean log-odds (−4 − 4 + 4 − 1) / 6, and so on.
    found = checker.score("bad. good.", ["good good", "bad bad"])
    assert found.value == pytest.approx(sigma(-5 / 6))
    assert found.spans == ()
    alone = checker.score("bad. good.", ["bad bad"])
    assert alone.value == pytest.approx(sigma(11 / 6))
    assert alone.spans == ((0, 4), (5, 10))


@pytest.mark.parametrize("kind", ["tokens", "pair"])
def test_the_budget_of_a_run_changes_no_bit(tmp_path: Path, kind: str) -> None:
    folder = made(tmp_path, kind)
    if kind == "pair":  # the mean of this graph counts padding: rows of one length have none
        answer, passages = "bad so. good so. so bad.", ["so good", "bad bad"]
    else:
        answer, passages = "so bad. good so bad so", ["so good", "bad", "so " * 40]
    told = {Checker.load(folder, max_tokens_per_run=budget).score(answer, passages) for budget in (1, 40, 4096)}
    assert len(told) == 1


@pytest.mark.parametrize(
    ("answer", "passages", "reason"),
    [
        (" ", ["so"], "empty answer"),
        ("so", [" "], "no context"),
        ("so " * 13, ["so"], "expected at most 12 tokens of the answer for the model, got 13"),
    ],
)
def test_what_cannot_be_read_has_no_value(tmp_path: Path, answer: str, passages: list[str], reason: str) -> None:
    found = Checker.load(made(tmp_path, "tokens")).score(answer, passages)
    assert (found.status, found.reason) == ("insufficient_input", reason)


@pytest.mark.parametrize(
    ("card", "told"),
    [
        ({"bad": ["WORSE"]}, "expected bad to name labels"),
        ({"bad": []}, "expected bad to name labels"),
        ({"labels": ["GOOD", "BAD", "UGLY"]}, "the last of 3 labels, got"),
        ({"kind": "pair"}, "expected an output of 2 dimensions"),
        ({"kind": "triple"}, "triple"),
    ],
)
def test_a_card_that_does_not_fit_the_graph_is_refused(tmp_path: Path, card: dict[str, Any], told: str) -> None:
    folder = made(tmp_path, "tokens", **card)
    with pytest.raises(Permanent, match=told):
        Checker.load(folder)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match=r"no model\.json"):
        Checker.load(tmp_path)
