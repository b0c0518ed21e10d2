"""The worker's model on a GPU; everything it needs is built here from a seed.

pytest tests/gpu -m gpu
"""

from pathlib import Path

import numpy as np
import pytest

from monitor.errors import Permanent
from monitor.inference.decoder.decoder import Decoder
from monitor.inference.decoder.seeded import Export, Shape, seeded_folder, seeded_weights
from monitor.model.generation import Draw
from tests.inference.decoder.reference import logprobs

pytestmark = pytest.mark.gpu

SHAPE = Shape(vocabulary=2048, width=256, layers=2, heads=4, kv_heads=2, inner=512, positions=256)
WIDE = Shape(vocabulary=151_936, width=128, layers=1, heads=2, kv_heads=2, inner=256, positions=128)
PROMPTS = [np.random.default_rng(length).integers(0, 2048, length).tolist() for length in (5, 23, 9)]
# On CUDA the shared export's operator takes float16 alone.
BUILDS: list[tuple[Export, bool]] = [("growing", False), ("growing", True), ("shared", True)]


def on_gpu(folder: Path, *, slots: int = 4) -> Decoder:
    """The decoder on CUDA; the test is skipped, with the reason, where that can't be had."""
    try:
        decoder = Decoder.load(folder / "model.onnx", slots=slots, length=128, provider="cuda")
    except Permanent as reason:
        pytest.skip(f"no usable GPU: {reason}")
    assert decoder.provider == "CUDAExecutionProvider"
    return decoder


def answer(decoder: Decoder, prompt: list[int], steps: int) -> tuple[list[int], list[float]]:
    decoder.keep([])
    step = decoder.prompt(prompt, Draw.greedy(1))
    tokens, values = [int(step.token[0])], [float(step.logprob[0])]
    for _ in range(steps):
        step = decoder.step(tokens[-1:], Draw.greedy(1))
        tokens.append(int(step.token[0]))
        values.append(float(step.logprob[0]))
    return tokens, values


@pytest.mark.parametrize(("export", "half"), BUILDS)
def test_logprobs_are_near_those_of_the_reference(tmp_path: Path, export: Export, half: bool) -> None:
    decoder = on_gpu(seeded_folder(tmp_path / export, export, SHAPE, half=half))
    tokens, values = answer(decoder, PROMPTS[1], 20)
    whole = logprobs(PROMPTS[1] + tokens, SHAPE, seeded_weights(SHAPE))[len(PROMPTS[1]) - 1 : -1]
    apart = np.abs(whole[np.arange(len(tokens)), tokens] - values).max()
    assert apart <= (0.05 if half else 1e-4)


@pytest.mark.parametrize(("export", "half"), BUILDS)
def test_a_row_says_the_same_alone_and_in_company(tmp_path: Path, export: Export, half: bool) -> None:
    decoder = on_gpu(seeded_folder(tmp_path / export, export, SHAPE, half=half))
    alone = [answer(decoder, prompt, 6) for prompt in PROMPTS]
    decoder.keep([])
    rows: list[tuple[int, list[int], list[float]]] = []
    for place, prompt in enumerate(PROMPTS):
        step = decoder.prompt(prompt, Draw.greedy(2 if place == 0 else 1))
        rows += [(place, [int(step.token[i])], [float(step.logprob[i])]) for i in range(len(step.token))]
        if place == 1:
            rows = [rows[old] for old in decoder.keep({1, 2})]
        step = decoder.step([tokens[-1] for _, tokens, _ in rows], Draw.greedy(len(rows)))
        for i, (_, tokens, values) in enumerate(rows):
            tokens.append(int(step.token[i]))
            values.append(float(step.logprob[i]))
    for place, _, values in rows:
        assert np.abs(np.array(values) - alone[place][1][: len(values)]).max() <= (0.02 if half else 1e-4)


def test_the_head_holds_at_a_vocabulary_of_152k(tmp_path: Path) -> None:
    decoder = on_gpu(seeded_folder(tmp_path / "wide", "growing", WIDE))
    prompt = PROMPTS[0]
    whole = logprobs(prompt, WIDE, seeded_weights(WIDE))[-1].astype(np.float64)
    uniform = np.array([0.001, 0.3, 0.7, 0.999], np.float32)
    step = decoder.prompt(prompt, Draw(np.ones(4, np.float32), uniform))
    entropy = -(np.exp(whole) * whole).sum()
    summed = np.cumsum(np.exp(whole))
    assert np.abs(-np.sort(-whole)[:20] - step.top_logprobs[0]).max() <= 1e-4
    assert step.entropy[0] == pytest.approx(entropy, abs=1e-3)
    # Each draw lies where its number does, but for the device's rounding.
    assert np.abs(summed[step.token] - np.exp(whole[step.token]) / 2 - uniform).max() <= 1e-4


def test_a_gpu_that_is_asked_for_is_never_replaced_in_silence(tmp_path: Path) -> None:
    folder = seeded_folder(tmp_path / "bot", "growing")
    try:
        decoder = Decoder.load(folder / "model.onnx", slots=1, length=32, provider="cuda")
    except Permanent as refused:
        assert "cuda" in str(refused).lower()  # noqa: PT017 - either outcome is right, a third is not
    else:
        assert decoder.provider == "CUDAExecutionProvider"
