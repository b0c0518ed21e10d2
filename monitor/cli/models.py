"""The sentence encoder."""

from __future__ import annotations

from pathlib import Path

import click


@click.group()
def models() -> None:
    """Build and check the sentence encoder."""


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
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False), required=False)
def info(folder: Path | None) -> None:
    """Show a model's card after checking its files against their digests."""
    from monitor.inference.build import cached_minilm
    from monitor.inference.card import read_card

    where = folder or cached_minilm()
    card = read_card(where)
    click.echo(f"{'folder':12} {where}")
    for name in card.__dataclass_fields__ if hasattr(card, "__dataclass_fields__") else card.__struct_fields__:
        click.echo(f"{name:12} {getattr(card, name)}")
    click.echo(f"{'fingerprint':12} {card.fingerprint('cpu')} on cpu")
