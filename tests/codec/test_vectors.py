import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from monitor.codec import pack_float16, unpack_float16
from monitor.codec.vectors import rows
from monitor.model.trace import Embedding


def embedding(encoding: str, data: bytes, dim: int, scale: float | None = None) -> Embedding:
    return Embedding("prompt", "m", dim, encoding, data, scale=scale)  # type: ignore[arg-type]


def read(*embeddings: Embedding) -> list[list[float] | str]:
    return [row if isinstance(row, str) else row.tolist() for row in rows(embeddings)]


def test_each_encoding_is_read_in_its_place() -> None:
    found = read(
        embedding("f32le_b64", np.array([0.1, -2.5], "<f4").tobytes(), 2),
        embedding("i8_b64", bytes([127, 129]), 2),
        embedding("f16le_b64", np.array([0.5, 1.0, -2.0], "<f2").tobytes(), 3),
        embedding("i8_b64", bytes([10, 246]), 2, scale=0.5),
        embedding("f32le_b64", np.array([7.0, 8.0], "<f4").tobytes(), 2),
    )

    assert found == [
        [np.float32(0.1), -2.5],
        [pytest.approx(1.0), pytest.approx(-1.0)],
        [0.5, 1.0, -2.0],
        [5.0, -5.0],
        [7.0, 8.0],
    ]


def test_a_number_that_is_not_finite_makes_no_row() -> None:
    found = read(
        embedding("f32le_b64", np.array([1.0, np.nan], "<f4").tobytes(), 2),
        embedding("f32le_b64", np.array([1.0, 2.0], "<f4").tobytes(), 2),
        embedding("f16le_b64", np.array([np.inf], "<f2").tobytes(), 1),
        embedding("i8_b64", b"\0\1", 2, scale=1e300),
    )

    lost = "embedding prompt: not finite"
    assert found == [lost, [1.0, 2.0], lost, lost]


@pytest.mark.parametrize(("size", "got"), [(3, "0.75"), (12, "3"), (0, "0")])
def test_bytes_that_do_not_fit_say_why(size: int, got: str) -> None:
    found = read(embedding("f32le_b64", bytes(size), 2), embedding("f32le_b64", bytes(8), 2))

    assert found == [f"embedding prompt: expected dimension 2, got {got} f32le", [0.0, 0.0]]


matrices = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=8),
    elements=st.floats(-60_000, 60_000, width=16),
)


@given(matrices, st.integers(0, 7))
def test_float16_comes_back_and_missing_stays_missing(matrix: np.ndarray, place: int) -> None:
    matrix[place % len(matrix)] = np.nan
    packed = pack_float16(matrix)

    assert [row is None for row in packed] == np.isnan(matrix[:, 0]).tolist()
    assert np.array_equal(unpack_float16(packed, matrix.shape[1]), matrix, equal_nan=True)


def test_what_float16_can_not_hold_is_the_largest_it_can() -> None:
    matrix = np.array([[1e6, -1e6, 1e-9]], np.float32)

    assert unpack_float16(pack_float16(matrix), 3).tolist() == [[65504.0, -65504.0, 0.0]]


def test_a_vector_of_another_dimension_is_missing() -> None:
    packed = pack_float16(np.ones((1, 3), np.float32))

    assert np.isnan(unpack_float16([*packed, None], 2)).all()
    assert unpack_float16([], 4).shape == (0, 4)
