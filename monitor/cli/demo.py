"""The demo."""

from __future__ import annotations

import sys

import click


@click.command()
@click.option(
    "--reference",
    type=click.IntRange(300, 20_000),
    default=600,
    show_default=True,
    help="Traces that teach what is usual.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed gives other questions and answers.")
@click.option("--keep", is_flag=True, help="Leave everything running and say where.")
@click.option("--no-color", is_flag=True, help="The same picture without colours.")
def demo(reference: int, seed: int, keep: bool, no_color: bool) -> None:
    """Watch bad deployments being caught.

    Starts a Postgres, a Kafka, a sidecar and a small language model of its own, asks it questions, changes what people
    ask, puts a bad build and a cut prompt template into service, and shows how the sidecar notices, pages once, and
    what it can answer. Takes about two minutes, needs nothing but this package (Kafka: Java and Maven too) and leaves
    nothing behind.
    """
    from monitor.demo.screen import opened
    from monitor.demo.story import tell

    with opened(sys.stdout, colour=not no_color) as screen:
        well = tell(seed, screen, reference=reference, keep=keep)
    sys.exit(0 if well else 1)
