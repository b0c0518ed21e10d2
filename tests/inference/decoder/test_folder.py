import json
import shutil
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models

from monitor.errors import Permanent
from monitor.inference.decoder.folder import read_folder
from monitor.inference.decoder.seeded import byte_tokenizer, seeded_folder
from monitor.inference.decoder.template import ChatTemplate
from monitor.inference.decoder.vocabulary import token_bytes


@pytest.fixture
def copy(folders: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(folders["growing"], tmp_path / "bot"))


def test_a_folder_says_what_its_build_is(copy: Path) -> None:
    plain = read_folder(copy)
    (copy / "build.json").write_text('{"name": "support", "version": "7", "adapter": {"name": "tone"}}')
    named = read_folder(copy)
    assert (plain.build.name, plain.ends, plain.length) == ("bot", frozenset({256}), 256)
    assert plain.build.revision is not None
    assert len(plain.build.revision) == 64
    assert (named.build.name, named.build.version, named.build.adapter.name) == ("support", "7", "tone")  # type: ignore[union-attr]
    assert named.build.revision == plain.build.revision


def test_other_weights_are_another_revision(tmp_path: Path) -> None:
    one, two = (read_folder(seeded_folder(tmp_path / str(seed), "growing", seed=seed)) for seed in (1, 2))
    assert one.build.revision != two.build.revision


@pytest.mark.parametrize(
    ("gone", "reason"),
    [
        ("model.onnx", r"no model in .*bot: expected one of model\.onnx"),
        ("tokenizer.json", r"no tokenizer at .*tokenizer\.json: No such file"),
    ],
)
def test_a_missing_file_is_named(copy: Path, gone: str, reason: str) -> None:
    (copy / gone).unlink()
    with pytest.raises(Permanent, match=reason):
        read_folder(copy)


def test_wrong_files_are_named(copy: Path) -> None:
    (copy / "tokenizer.json").write_text("{}")
    with pytest.raises(Permanent, match=r"tokenizer\.json: not a tokenizer"):
        read_folder(copy)
    byte_tokenizer().save(str(copy / "tokenizer.json"))
    (copy / "config.json").write_text("{}")
    (copy / "tokenizer_config.json").write_text("{}")
    with pytest.raises(Permanent, match=r"no eos_token_id in config\.json"):
        read_folder(copy)


def test_a_template_of_its_own_takes_the_folders_place(copy: Path, tmp_path: Path) -> None:
    given = tmp_path / "short.jinja"
    given.write_text("{{ messages[-1].content }}")
    own, other = read_folder(copy).template, read_folder(copy, template=given).template
    assert own is not None
    assert other is not None
    assert own.hash != other.hash
    assert own.render([{"role": "user", "content": "Hi"}]) == "<|user|>Hi<|end|><|assistant|>"
    assert other.render([{"role": "user", "content": "Hi"}]) == "Hi"


def test_documents_reach_a_template_that_reads_them(copy: Path) -> None:
    template = read_folder(copy).template
    assert template is not None
    told = template.render([{"role": "user", "content": "?"}], [{"title": "a", "text": "Refunds take five days."}])
    assert told.startswith("Refunds take five days.\n<|user|>")


def test_a_template_may_refuse_and_may_do_no_harm() -> None:
    template = ChatTemplate.parse("{{ raise_exception('no system role') }}", {})
    with pytest.raises(ValueError, match="no system role"):
        template.render([])
    with pytest.raises(ValueError, match="the chat template says"):
        ChatTemplate.parse("{{ ''.__class__.__mro__ }}", {}).render([])
    with pytest.raises(Permanent, match="chat template, line 1"):
        ChatTemplate.parse("{% if %}", {})


def test_byte_level_tokens_are_their_bytes() -> None:
    tokenizer = byte_tokenizer()
    spelt = token_bytes(tokenizer, 300)
    ids = tokenizer.encode("né 😀", add_special_tokens=False).ids
    assert b"".join(spelt[each] for each in ids) == "né 😀".encode()
    assert spelt[tokenizer.token_to_id("<|end|>")] == b""
    assert spelt[299] == b""


def test_sentence_pieces_are_blanks_and_bytes() -> None:
    vocabulary = {"<unk>": 0, "▁so": 1, "<0xC3>": 2, "<0xA9>": 3}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[], byte_fallback=True, unk_token="<unk>"))
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    spelt = token_bytes(Tokenizer.from_str(json.dumps(json.loads(tokenizer.to_str()))), 4)
    assert b"".join(spelt[1:]) == " soé".encode()
