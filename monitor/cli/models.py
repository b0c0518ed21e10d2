"""The sentence encoder, and builds of language models."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def models() -> None:
    """Build and check the sentence encoder; make other builds of a language model."""


@models.command()
@click.option("--to", "target", type=click.Path(path_type=Path), help="Folder; by default the cache.")
@click.option("--from", "source", type=click.Path(path_type=Path, exists=True), help="Folder of MiniLM's files.")
def build(target: Path | None, source: Path | None) -> None:
    """Build all-MiniLM-L6-v2 as ONNX from its published weights, which are checked by sha256. Needs no torch."""
    from monitor.inference.build import build_minilm, cached_minilm

    if target is None and source is None:
        folder = cached_minilm(report=click.echo)
    else:
        folder = build_minilm(target or Path("all-MiniLM-L6-v2"), source=source, report=click.echo)
    click.echo(folder)


@models.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False)
def info(folder: Path | None) -> None:
    """Show an encoder's card after checking its files against their digests, or a language model's build."""
    from monitor.inference.build import cached_minilm
    from monitor.inference.card import CARD, read_card
    from monitor.inference.shipped import model_folder

    if folder is not None and not (folder / CARD).exists():
        told(model_folder(folder))
        return
    where = folder or cached_minilm()
    card = read_card(where)
    click.echo(f"{'folder':12} {where}")
    for name in card.__dataclass_fields__ if hasattr(card, "__dataclass_fields__") else card.__struct_fields__:
        click.echo(f"{name:12} {getattr(card, name)}")
    click.echo(f"{'fingerprint':12} {card.fingerprint('cpu')} on cpu")


@models.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.argument("target", type=click.Path(path_type=Path))
@click.option(
    "--to",
    "precision",
    type=click.Choice(["fp32", "fp16", "int8", "int4"]),
    default="fp16",
    show_default=True,
    help="Precision of the weights.",
)
@click.option("--block", type=int, default=32, show_default=True, help="int4: weights that share a scale.")
@click.option(
    "--adapter",
    type=click.Path(path_type=Path),
    help="A LoRA that the build has: PEFT's folder, a .npz, or the name of one under SOURCE/adapters.",
)
@click.option(
    "--adapter-as",
    "kept",
    type=click.Choice(["merged", "inputs"]),
    default="merged",
    show_default=True,
    help="Added to the weights before they are quantized, or unquantized beside them as inputs of the graph.",
)
def quantize(source: Path, target: Path, precision: str, block: int, adapter: Path | None, kept: str) -> None:
    """Make TARGET another build of the language model in the folder SOURCE.

    SOURCE holds model.onnx in single or half precision, and tokenizer.json. "assistant" is the demo's.
    """
    from monitor.inference.shipped import adapter_folder, model_folder
    from monitor.inference.variants import KEPT, PRECISIONS, Recipe, make_variant

    chosen = next(each for each in PRECISIONS if each == precision)
    place = next(each for each in KEPT if each == kept)
    folder = model_folder(source)
    recipe = Recipe(chosen, block, adapter_folder(adapter, folder) if adapter else None, place)
    make_variant(folder, target, recipe, report=click.echo)
    told(target)


@models.command()
@click.argument("name")
@click.option("--revision", required=True, help="Commit, 40 hexadecimal digits: a branch would not stay the same.")
@click.option("--to", "target", type=click.Path(path_type=Path), help="Folder; by default the name's last part.")
@click.option("--hub", envvar="HF_ENDPOINT", default="https://huggingface.co", show_default=True)
@click.option("--file", "wanted", multiple=True, help="Patterns of file names in place of the usual ones.")
def pull(name: str, revision: str, target: Path | None, hub: str, wanted: tuple[str, ...]) -> None:
    """Fetch the ONNX files of OWNER/NAME from a Hugging Face hub or its mirror."""
    from monitor.inference.hub import WANTED
    from monitor.inference.hub import pull as pull_model

    where = target or Path(name.rpartition("/")[2])
    click.echo(pull_model(name, revision, where, hub=hub, wanted=wanted or WANTED, report=click.echo))


def told(folder: Path) -> None:
    """Print what tells the build in a folder from others."""
    from monitor.inference.variants import identify

    found = identify(folder)
    model = found.model
    quantization = model.quantization
    bits = f"{quantization.method}, {quantization.bits} bits" if quantization else "none"
    if quantization and quantization.group_size:
        bits += f", {quantization.group_size} weights a scale"
    rows = {
        "folder": folder,
        "name": f"{model.name} {model.version or ''}".strip(),
        "precision": model.precision or "unknown",
        "quantized": bits,
        "adapter": f"{model.adapter.name} {model.adapter.version}" if model.adapter else "none",
        "size": f"{found.size / 1e6:.2f} MB",
        "graph": model.revision,
        "tokenizer": found.tokenizer,
        "template": found.template or "none",
        "build": found.hash,
        "label": found.label,
    }
    for name, value in rows.items():
        click.echo(f"{name:12} {value}")
