"""The demo."""

from __future__ import annotations

import sys

import click


@click.command()
@click.option(
    "--traces", type=click.IntRange(600, 20_000), default=1600, show_default=True, help="Answers, good and bad ones."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed gives other questions and answers.")
@click.option("--keep", is_flag=True, help="Leave everything running and say where.")
@click.option("--no-color", is_flag=True, help="The same picture without colours.")
def demo(traces: int, seed: int, keep: bool, no_color: bool) -> None:
    """Watch a bad deployment being caught.

    Starts a Postgres, a Kafka and a sidecar of its own, publishes the traffic of an assistant whose build is replaced
    by an over-quantized one, and shows how the sidecar notices, pages once, and what it can answer. Takes about a
    minute, needs nothing but this package (Kafka: Java and Maven too) and leaves nothing behind.
    """
    from monitor.demo.screen import opened
    from monitor.demo.story import tell

    with opened(sys.stdout, colour=not no_color) as screen:
        well = tell(seed, screen, traces=traces, keep=keep)
    sys.exit(0 if well else 1)
