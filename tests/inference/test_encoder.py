import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from monitor.errors import Permanent
from monitor.inference.card import read_card, write_card
from monitor.inference.encoder import Encoder, runs

WORDS = ["how", "reset", "my", "password", "the", "invoice", "is", "wrong", "cancel", "order", "4711", "naïve", "漢字"]


def mixed_texts(count: int) -> list[str]:
    rng = np.random.default_rng(3)
    lengths = np.minimum(rng.lognormal(3, 1, count), 300).astype(int)
    return [" ".join(rng.choice(WORDS, length)) for length in lengths]


class CountingSession:
    """The real session, with the shape of every run."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.shapes: list[tuple[int, int]] = []

    def run(self, outputs: list[str], feeds: dict[str, NDArray[Any]]) -> Any:
        self.shapes.append(feeds["input_ids"].shape)
        return self.session.run(outputs, feeds)


def counted(encoder: Encoder) -> CountingSession:
    session = CountingSession(encoder._session)
    encoder._session = session  # type: ignore[assignment]
    return session


def test_the_published_similarities_come_out(encoder: Encoder) -> None:
    vectors = encoder.encode(["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."])
    # https://sbert.net/docs/quickstart.html, for this model.
    expected = [[1, 0.6660, 0.1046], [0.6660, 1, 0.1411], [0.1046, 0.1411, 1]]
    np.testing.assert_allclose(vectors @ vectors.T, expected, atol=5e-5)


def test_vectors_are_float32_and_of_unit_length(encoder: Encoder) -> None:
    vectors = encoder.encode(["", "a", "hello world", "x" * 5000])
    assert (vectors.dtype.name, vectors.shape) == ("float32", (4, 384))
    np.testing.assert_allclose(np.linalg.norm(vectors.astype(float), axis=1), 1, atol=1e-6)


def test_a_text_has_the_same_vector_alone_and_in_any_batch(encoder: Encoder) -> None:
    texts = mixed_texts(60)
    alone = np.concatenate([encoder.encode([text]) for text in texts])
    order = np.random.default_rng(4).permutation(len(texts))
    shuffled = encoder.encode([texts[row] for row in order])
    np.testing.assert_allclose(encoder.encode(texts), alone, atol=1e-6)
    np.testing.assert_allclose(shuffled, alone[order], atol=1e-6)


def test_no_texts_have_no_vectors(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, 384)


def test_reading_stops_at_256_tokens(encoder: Encoder) -> None:
    # Two of the 256 are those that the model adds.
    whole, cut, shorter = encoder.encode(["hello " * 100_000, "hello " * 254, "hello " * 253])
    np.testing.assert_allclose(whole, cut, atol=1e-6)
    assert np.abs(whole - shorter).max() > 1e-5


def test_more_than_128_tokens_are_read(encoder: Encoder) -> None:
    first, second = encoder.encode(["hello " * 150 + "banana", "hello " * 150 + "parliament"])
    assert np.abs(first - second).max() > 1e-3


def test_a_lone_surrogate_reads_as_a_question_mark(encoder: Encoder) -> None:
    broken, mark = encoder.encode(["why \ud800", "why ?"])
    assert broken.tobytes() == mark.tobytes()


def test_tokens_are_counted_whole_and_without_additions(encoder: Encoder) -> None:
    assert encoder.count_tokens(["", "hello world", "hello " * 300, "unaffable"]) == [0, 2, 300, 3]
    assert encoder.count_tokens([]) == []


def test_identical_texts_are_computed_once(minilm: Path) -> None:
    encoder = Encoder.load(minilm)
    session = counted(encoder)
    vectors = encoder.encode(["hello", "world", "hello", "hello"])
    again = encoder.encode(["world", "hello"])
    assert session.shapes == [(2, 3)]
    assert vectors[0].tobytes() == vectors[2].tobytes() == vectors[3].tobytes() == again[1].tobytes()
    assert vectors[1].tobytes() == again[0].tobytes() != again[1].tobytes()


def test_without_a_cache_texts_are_computed_again(minilm: Path) -> None:
    encoder = Encoder.load(minilm, cache_bytes=0)
    session = counted(encoder)
    encoder.encode(["hello"])
    encoder.encode(["hello"])
    assert session.shapes == [(1, 3), (1, 3)]


def test_a_run_holds_at_most_its_tokens_and_little_padding(minilm: Path) -> None:
    encoder = Encoder.load(minilm, max_tokens_per_run=512)
    session = counted(encoder)
    texts = sorted(set(mixed_texts(200)))
    encoder.encode(texts)
    padded = sum(rows * width for rows, width in session.shapes)
    real = sum(min(count, 254) + 2 for count in encoder.count_tokens(texts))
    assert max(rows * width for rows, width in session.shapes) <= 512
    assert sum(rows for rows, _ in session.shapes) == len(texts)
    assert padded < 1.1 * real


def test_a_text_longer_than_a_run_runs_alone() -> None:
    assert [rows.tolist() for rows in runs(np.array([9, 3, 20, 3]), 8)] == [[1, 3], [0], [2]]


def test_threads_may_share_an_encoder(minilm: Path) -> None:
    encoder = Encoder.load(minilm, cache_bytes=20_000)
    texts = mixed_texts(24)
    expected = encoder.encode(texts)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda start: encoder.encode(texts[start:] + texts[:start]), range(0, 24, 3)))
    for start, vectors in zip(range(0, 24, 3), found, strict=True):
        np.testing.assert_allclose(vectors, np.roll(expected, -start, axis=0), atol=1e-6)


def test_the_fingerprint_changes_with_all_that_changes_vectors(minilm: Path, encoder: Encoder) -> None:
    card = read_card(minilm)
    others = [
        msgspec.structs.replace(card, revision="0" * 64),
        msgspec.structs.replace(card, tokenizer_sha256="0" * 64),
        msgspec.structs.replace(card, max_length=128),
        msgspec.structs.replace(card, precision="int8"),
    ]
    prints = {encoder.fingerprint, card.fingerprint("cuda"), *(other.fingerprint("cpu") for other in others)}
    assert encoder.fingerprint == card.fingerprint("cpu") == "567cda3ce8dcdc38"
    assert len(prints) == 6


def test_a_card_of_another_dimension_is_refused(minilm: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(minilm, folder)
    write_card(folder, msgspec.structs.replace(read_card(minilm), dimension=768))
    with pytest.raises(Permanent, match=r"model\.onnx: expected dimension 768, got 384"):
        Encoder.load(folder)


def test_another_tokenizer_is_refused(minilm: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(minilm, folder)
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(Permanent, match=r"tokenizer\.json: expected sha256 be50c362"):
        Encoder.load(folder)
