"""Another build of a language model: the same folder with its weights in another precision or with an adapter."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, assert_never

import msgspec

from monitor.errors import Permanent
from monitor.inference.card import ADAPTER, GRAPH, TOKENIZER, sha256
from monitor.inference.decoder.folder import BUILD, GRAPHS, revision
from monitor.model.build import build_name
from monitor.model.trace import Adapter, Model, PromptTemplate

if TYPE_CHECKING:
    from monitor.inference.adapters import LowRank

TEMPLATE = "chat_template.jinja"
INSTALL = "pip install 'driftwarden[quantize]'"
COPIED = ("*.json", "*.jinja", "*.model", "*.txt", "*.md")
"""Files of a model folder that are the same in every build; ``build.json`` is written anew."""
OWN = (BUILD, "card.json")
"""Files that speak of one build."""
Precision: TypeAlias = Literal["fp32", "fp16", "int8", "int4"]
Kept: TypeAlias = Literal["merged", "inputs"]
MOST_BYTES = 2**31 - 1
"""Of a graph in one file: protobuf has no more."""
KEPT: tuple[Kept, ...] = ("merged", "inputs")
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16", "int8", "int4")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a build is made with.

    Attributes:
        precision: Of the weights.
        block: Weights that share a scale, in int4.
        adapter: A LoRA that the build has.
        kept: Whether it is added to the weights, or stays beside them as inputs of the graph.
    """

    precision: Precision
    block: int = 32
    adapter: Path | None = None
    kept: Kept = "merged"


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells a build from every other: digests of its files, and the names traces know it by.

    Attributes:
        model: As the traces have it; ``revision`` is the graph's sha256.
        tokenizer: sha256 of ``tokenizer.json``.
        template: The first half of the sha256 of the chat template, None where the folder has none.
        size: Bytes of the graph.
    """

    model: Model
    tokenizer: str
    template: str | None
    size: int

    @property
    def hash(self) -> str:
        """sha256 over graph, tokenizer, adapter and template: equal exactly when all of them are."""
        adapter = self.model.adapter
        parts = (self.model.revision, self.tokenizer, adapter.version if adapter else None, self.template)
        return hashlib.sha256("\n".join(part or "-" for part in parts).encode()).hexdigest()

    @property
    def label(self) -> str:
        """What traces of this build are compared by, where the worker says no more of the template."""
        return build_name(self.model, PromptTemplate(hash=self.template))


def identify(folder: Path) -> Identity:
    """The build in a folder.

    Raises:
        Permanent: A file is missing or unreadable.
    """
    graph, tokenizer = graph_of(folder), required(folder / TOKENIZER)
    template = folder / TEMPLATE
    return Identity(
        model=msgspec.structs.replace(described(folder), revision=revision(graph)),
        tokenizer=sha256(tokenizer),
        template=sha256(template)[:16] if template.is_file() else None,
        size=graph.stat().st_size,
    )


def described(folder: Path) -> Model:
    """What ``build.json`` says of the build, or only the folder's name."""
    path = folder / BUILD
    if not path.is_file():
        return Model(name=folder.resolve().name)
    try:
        return msgspec.json.decode(path.read_bytes(), type=Model)
    except msgspec.MsgspecError as error:
        raise Permanent(f"{path}: {error}") from error


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """A graph as bytes, what is said of it, and the adapter that stays beside it."""

    graph: bytes
    model: Model
    beside: LowRank | None


def make_variant(
    source: Path, target: Path, recipe: Recipe, *, report: Callable[[str], None] = lambda _line: None
) -> Identity:
    """Make ``target`` a build of the model in ``source``; it appears whole or not at all.

    Raises:
        Permanent: The source is no model, the recipe can't be followed, or the target is there already.
    """
    graph = graph_of(source)
    required(source / TOKENIZER)
    if target.exists():
        raise Permanent(f"{target} is there already; remove it or choose another folder")
    if (beside := source / ADAPTER).exists():
        raise Permanent(f"{beside} stays beside its graph; start from the build without it")
    made = build(graph, described(source), recipe, report)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}.", dir=target.parent) as scratch:
            folder = Path(scratch) / "new"
            folder.mkdir()
            write(made, folder)
            for path in sorted({path for pattern in COPIED for path in source.glob(pattern)}):
                if path.name not in OWN:
                    shutil.copyfile(path, folder / path.name)
            folder.rename(target)
    except OSError as error:
        raise Permanent(f"cannot write {error.filename or target}: {error.strerror}") from error
    report(f"built {target}")
    return identify(target)


def write(made: Built, folder: Path) -> None:
    """The files that are the build's own."""
    (folder / GRAPH).write_bytes(made.graph)
    (folder / BUILD).write_bytes(msgspec.json.format(msgspec.json.encode(made.model), indent=2) + b"\n")
    if made.beside is not None:
        from monitor.inference.adapter_inputs import write_inputs  # noqa: PLC0415  needed to build, not to run

        write_inputs(made.beside, folder / ADAPTER)


def build(graph: Path, model: Model, recipe: Recipe, report: Callable[[str], None]) -> Built:
    """The build, of which nothing is written yet."""
    try:
        import onnx  # noqa: PLC0415  needed to build, not to run

        from monitor.inference import adapter_inputs, adapters, quantizing  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise Permanent(f"building needs {error.name}, which is not installed; run: {INSTALL}") from error

    try:
        read = onnx.load(graph)
        onnx.checker.check_model(read)
    except Exception as error:  # protobuf, onnx and the file system each raise their own
        raise Permanent(f"{graph}: not an ONNX model: {str(error)[:300]}") from error
    wide = quantizing.widened(read)
    adapter, beside = model.adapter, None
    if recipe.adapter is not None:
        low_rank = adapters.read_adapter(recipe.adapter)
        adapter = Adapter(name=low_rank.name, version=low_rank.sha256[:16])
        match recipe.kept:
            case "merged":
                report(f"merging {low_rank.name} into {len(low_rank.factors)} matrices")
                wide = adapters.merged(wide, low_rank)
            case "inputs":
                report(f"making {low_rank.name} an input of {len(low_rank.factors)} matrices")
                wide, beside = adapter_inputs.opened(wide, low_rank), low_rank
            case _:
                assert_never(recipe.kept)
    report(f"quantizing {graph} to {recipe.precision}")
    made = quantizing.quantized(wide, recipe.precision, block=recipe.block)
    whole = made.model if beside is None else adapter_inputs.with_defaults(made.model, beside)
    described_so = msgspec.structs.replace(
        model, revision=None, precision=recipe.precision, quantization=made.quantization, adapter=adapter
    )
    if (size := whole.ByteSize()) > MOST_BYTES:
        raise Permanent(f"{graph}: expected at most {MOST_BYTES} bytes in {recipe.precision}, got {size}")
    return Built(whole.SerializeToString(), described_so, beside)


def graph_of(folder: Path) -> Path:
    """The graph, by one of the names that exporters give it."""
    return required(next((folder / name for name in GRAPHS if (folder / name).is_file()), folder / GRAPH))


def required(path: Path) -> Path:
    if not path.is_file():
        raise Permanent(f"no {path.name} in {path.parent}")
    return path
