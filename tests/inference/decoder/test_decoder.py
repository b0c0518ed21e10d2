"""Both exports against numpy, and rows against the company they keep."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import pytest

from monitor.errors import Permanent
from monitor.inference.decoder.decoder import Decoder
from monitor.inference.decoder.seeded import Shape, graph_of, seeded_folder, seeded_weights
from monitor.model.generation import Draw, Step
from tests.inference.decoder.reference import logprobs

SHAPE = Shape()
WEIGHTS = seeded_weights(SHAPE)
PROMPTS = [np.random.default_rng(length).integers(0, 256, length).tolist() for length in (5, 23, 9)]


@dataclass
class Line:
    """What was said of one row, token by token."""

    token: list[int] = field(default_factory=list)
    logprob: list[float] = field(default_factory=list)
    entropy: list[float] = field(default_factory=list)
    top: list[np.ndarray] = field(default_factory=list)

    def add(self, step: Step, row: int) -> None:
        self.token.append(int(step.token[row]))
        self.logprob.append(float(step.logprob[row]))
        self.entropy.append(float(step.entropy[row]))
        self.top.append(step.top_logprobs[row])


def advance(decoder: Decoder, lines: list[Line], steps: int = 1) -> None:
    for _ in range(steps):
        step = decoder.step([line.token[-1] for line in lines], Draw.greedy(len(lines)))
        for row, line in enumerate(lines):
            line.add(step, row)


def begin(decoder: Decoder, prompt: list[int], copies: int = 1) -> list[Line]:
    step = decoder.prompt(prompt, Draw.greedy(copies))
    lines = [Line() for _ in range(copies)]
    for row, line in enumerate(lines):
        line.add(step, row)
    return lines


def alone(decoder: Decoder, prompt: list[int], steps: int) -> Line:
    decoder.keep([])
    lines = begin(decoder, prompt)
    advance(decoder, lines, steps)
    return lines[0]


def furthest(line: Line, other: Line) -> float:
    count = min(len(line.token), len(other.token))
    assert line.token[:count] == other.token[:count]
    pairs = [(line.logprob, other.logprob), (line.entropy, other.entropy), (line.top, other.top)]
    return max(float(np.abs(np.array(a[:count]) - np.array(b[:count])).max()) for a, b in pairs)


def test_logprobs_and_entropy_are_those_of_a_float32_reference(decoder: Decoder) -> None:
    prompt = PROMPTS[1]
    line = alone(decoder, prompt, 20)
    whole = logprobs(prompt + line.token, SHAPE, WEIGHTS)[len(prompt) - 1 : -1]
    entropy = -(np.exp(whole) * whole).sum(-1)
    assert whole.argmax(-1).tolist() == line.token
    assert np.abs(whole.max(-1) - line.logprob).max() <= 1e-5
    assert np.abs(entropy - line.entropy).max() <= 1e-5
    assert np.abs(-np.sort(-whole, axis=-1)[:, :20] - np.array(line.top)).max() <= 1e-5


def test_a_row_says_the_same_alone_and_in_any_company(decoder: Decoder) -> None:
    expected = [alone(decoder, prompt, 14) for prompt in PROMPTS]
    decoder.keep([])
    first, second = begin(decoder, PROMPTS[0], copies=2)
    advance(decoder, [first, second], 3)
    (third,) = begin(decoder, PROMPTS[1])
    advance(decoder, [first, second, third], 2)
    lines = [first, second, third]
    lines = [lines[place] for place in decoder.keep({1, 2})]  # the first slot is free: rows move
    advance(decoder, lines, 2)
    lines += begin(decoder, PROMPTS[2])
    advance(decoder, lines, 5)
    assert furthest(second, expected[0]) <= 2e-6
    assert furthest(third, expected[1]) <= 2e-6
    assert furthest(lines[-1], expected[2]) <= 2e-6


def test_a_slot_that_was_used_leaves_nothing_behind(decoder: Decoder) -> None:
    expected = alone(decoder, PROMPTS[0], 6)
    alone(decoder, PROMPTS[1], 30)
    assert furthest(alone(decoder, PROMPTS[0], 6), expected) == 0


def test_a_draw_is_the_inverse_of_the_cumulated_distribution(decoder: Decoder) -> None:
    whole = logprobs(PROMPTS[0], SHAPE, WEIGHTS)[-1].astype(np.float64)
    for temperature in (0.5, 1.0, 1.7):
        share = np.exp(whole / temperature)
        summed = np.cumsum(share) / share.sum()
        uniform = np.linspace(0.003, 0.997, 80)
        drawn = []
        for some in np.split(uniform, 20):
            decoder.keep([])
            step = decoder.prompt(PROMPTS[0], Draw(np.full(4, temperature, np.float32), some.astype(np.float32)))
            drawn += step.token.tolist()
            assert np.abs(step.logprob - whole[step.token]).max() <= 1e-5
        assert drawn == np.searchsorted(summed, uniform.astype(np.float32), side="right").tolist()


def test_the_largest_number_draws_a_token_that_exists(decoder: Decoder) -> None:
    step = decoder.prompt(PROMPTS[0], Draw(np.ones(1, np.float32), np.ones(1, np.float32)))
    assert step.token[0] < SHAPE.vocabulary
    assert np.isfinite(step.logprob[0])


def test_the_whole_distribution_comes_when_it_is_asked_for(decoder: Decoder) -> None:
    step = decoder.prompt(PROMPTS[0], Draw(np.zeros(2, np.float32), np.zeros(2, np.float32), whole=True))
    assert step.whole is not None
    assert np.abs(step.whole - logprobs(PROMPTS[0], SHAPE, WEIGHTS)[-1]).max() <= 1e-5


def test_half_precision_is_near_and_says_so(tmp_path: Path) -> None:
    for export in ("growing", "shared"):
        folder = seeded_folder(tmp_path / export, export, half=True)  # type: ignore[arg-type]
        decoder = Decoder.load(folder / "model.onnx", slots=2, length=64)
        step = decoder.prompt(PROMPTS[1], Draw.greedy(1))
        expected = logprobs(PROMPTS[1], SHAPE, WEIGHTS)[-1].max()
        assert decoder.graph.precision == "fp16"
        assert 0 < abs(float(step.logprob[0]) - expected) < 0.03


def test_weights_in_a_file_of_their_own_are_found(tmp_path: Path) -> None:
    model = graph_of("growing", SHAPE, WEIGHTS)
    onnx.save(
        model, tmp_path / "model.onnx", save_as_external_data=True, location="model.onnx_data", size_threshold=1024
    )
    decoder = Decoder.load(tmp_path / "model.onnx", slots=1, length=64)
    step = decoder.prompt(PROMPTS[0], Draw.greedy(1))
    assert step.logprob[0] == pytest.approx(logprobs(PROMPTS[0], SHAPE, WEIGHTS)[-1].max(), abs=1e-5)


def test_prompts_and_rows_beyond_the_limits_are_refused(decoder: Decoder) -> None:
    with pytest.raises(ValueError, match="prompt: expected 1 to 95 tokens, got 96"):
        decoder.prompt([1] * 96, Draw.greedy(1))
    with pytest.raises(ValueError, match="rows: expected at most 4, got 5"):
        decoder.prompt([1], Draw.greedy(5))


def test_a_broken_file_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with pytest.raises(Permanent, match=r"no model at .*model\.onnx"):
        Decoder.load(path, slots=1, length=8)
    path.write_bytes(b"\x08\x07 this is no graph")
    with pytest.raises(Permanent, match=r"model\.onnx: "):
        Decoder.load(path, slots=1, length=8)


def test_a_graph_that_is_no_decoder_is_refused(tmp_path: Path) -> None:
    model = graph_of("growing", SHAPE, WEIGHTS)
    model.graph.output[0].name = "hidden"
    onnx.save(model, tmp_path / "a.onnx")
    with pytest.raises(Permanent, match="expected an output named logits, got hidden, present"):
        Decoder.load(tmp_path / "a.onnx", slots=1, length=8)
    model = graph_of("growing", SHAPE, WEIGHTS)
    model.graph.input.append(onnx.helper.make_tensor_value_info("use_cache_branch", onnx.TensorProto.BOOL, [1]))
    onnx.save(model, tmp_path / "b.onnx")
    with pytest.raises(Permanent, match=r"expected inputs input_ids, .* got .*use_cache_branch"):
        Decoder.load(tmp_path / "b.onnx", slots=1, length=8)
