"""Is this installation sound?"""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from monitor.errors import DriftwardenError


@click.command()
def doctor() -> None:
    """Check settings, database, broker, model and reference; say what is wrong with each and how to mend it."""
    from monitor import checks as ask

    checks: list[tuple[str, Callable[[], str]]] = [
        ("settings", ask.settings),
        ("database", ask.database),
        ("kafka", ask.kafka),
        ("model", ask.model),
        ("reference", ask.reference),
        ("guard", ask.guard),
        ("webhooks", ask.webhooks),
    ]
    failed = 0
    for name, check in checks:
        try:
            click.echo(f"{click.style('ok  ', fg='green')} {name:9} {check()}")
        except DriftwardenError as error:
            failed += 1
            click.echo(f"{click.style('fail', fg='red')} {name:9} {error}")
    sys.exit(1 if failed else 0)
