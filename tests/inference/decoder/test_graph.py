"""What is read off a graph, and builds of other precisions under the same head."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import quantize_dynamic

from monitor.inference.decoder.decoder import Decoder
from monitor.inference.decoder.graph import with_head
from monitor.inference.decoder.seeded import Export, Shape, seeded_weights
from monitor.model.generation import Draw
from tests.inference.decoder.reference import logprobs

PROMPT = [3, 141, 59, 26, 53, 58]


def best(path: Path) -> float:
    decoder = Decoder.load(path, slots=1, length=64)
    return float(decoder.prompt(PROMPT, Draw(np.zeros(1, np.float32), np.zeros(1, np.float32), whole=True)).logprob[0])


def test_layout_and_vocabulary_are_read_off(folders: dict[Export, Path]) -> None:
    found = {export: with_head(folder / "model.onnx") for export, folder in folders.items()}
    assert {export: graph.layout for export, graph in found.items()} == {"growing": "growing", "shared": "shared"}
    assert {graph.vocabulary for graph in found.values()} == {260}
    assert {graph.precision for graph in found.values()} == {"fp32"}


def test_the_last_product_sees_one_place_a_row(folders: dict[Export, Path]) -> None:
    graph = onnx.load_from_string(with_head(folders["growing"] / "model.onnx").content).graph
    product = next(node for node in graph.node if "logits" in node.output)
    assert product.input[0] == "head.hidden"
    onnx.checker.check_model(onnx.load_from_string(with_head(folders["growing"] / "model.onnx").content))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_int8_build_runs_and_says_so(folders: dict[Export, Path], tmp_path: Path) -> None:
    quantize_dynamic(folders["growing"] / "model.onnx", tmp_path / "int8.onnx")
    found = with_head(tmp_path / "int8.onnx")
    shape = Shape()
    expected = logprobs(PROMPT, shape, seeded_weights(shape))[-1].max()
    assert found.precision == "int8"
    assert abs(best(tmp_path / "int8.onnx") - expected) < 0.5


def test_an_int4_build_runs_and_says_the_size_of_its_blocks(folders: dict[Export, Path], tmp_path: Path) -> None:
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    quantizer = MatMulNBitsQuantizer(onnx.load(folders["growing"] / "model.onnx"), block_size=32)
    quantizer.process()
    quantizer.model.save_model_to_file(str(tmp_path / "int4.onnx"))
    found = with_head(tmp_path / "int4.onnx")
    assert (found.precision, found.group) == ("int4", 32)
    assert np.isfinite(best(tmp_path / "int4.onnx"))
