import struct
from pathlib import Path

import numpy as np
import pytest

from monitor.errors import Permanent
from monitor.inference.safetensors import read_safetensors


def write(path: Path, header: bytes, body: bytes) -> Path:
    path.write_bytes(struct.pack("<Q", len(header)) + header + body)
    return path


def test_tensors_keep_their_type_shape_and_values(tmp_path: Path) -> None:
    header = (
        b'{"__metadata__": {"format": "pt"},'
        b' "a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]},'
        b' "b": {"dtype": "F16", "shape": [1], "data_offsets": [16, 18]}}'
    )
    path = write(tmp_path / "w", header, struct.pack("<4f", 1, 2, 3, 4) + struct.pack("<e", 0.5))
    tensors = read_safetensors(path)
    assert {name: (t.dtype.str, t.tolist()) for name, t in tensors.items()} == {
        "a": ("<f4", [[1, 2], [3, 4]]),
        "b": ("<f2", [0.5]),
    }
    assert not tensors["a"].flags.writeable
    assert np.shares_memory(tensors["a"], tensors["a"].base)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (b'{"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}', "a: expected 12 bytes, got 8"),
        (b'{"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 12]}}', "a: expected 12 bytes, got 8"),
        (b'{"a": {"dtype": "F8_E4M3", "shape": [8], "data_offsets": [0, 8]}}', "type F8_E4M3 is not one of"),
        (b"not json", "the header is not that of safetensors"),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, header: bytes, message: str) -> None:
    path = write(tmp_path / "w", header, bytes(8))
    with pytest.raises(Permanent, match=message):
        read_safetensors(path)


def test_a_truncated_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "w"
    path.write_bytes(struct.pack("<Q", 1000) + b"{}")
    with pytest.raises(Permanent, match="expected a header of 1000 bytes, the file has 10"):
        read_safetensors(path)
