"""Local services for trying things out."""

from __future__ import annotations

import click


@click.group()
def dev() -> None:
    """Start and stop a Postgres and a Kafka of your own under .driftwarden/ (loopback only)."""


@dev.command()
def up() -> None:
    """Start both, or find them running. Other commands started here use them when no address is set."""
    from monitor.dev import services

    found = services.up(report=lambda line: click.echo(line, err=True))
    click.echo(f"DRIFTWARDEN_DATABASE__URL={found.database_url}")
    if found.bootstrap_servers:
        click.echo(f"DRIFTWARDEN_KAFKA__BOOTSTRAP_SERVERS={found.bootstrap_servers}")
    else:
        click.echo(f"no Kafka: {found.why_no_kafka}", err=True)


@dev.command()
def down() -> None:
    """Stop both; what they hold stays."""
    from monitor.dev import services

    services.down(report=lambda line: click.echo(line, err=True))


@dev.command()
def status() -> None:
    """Say what runs where."""
    from monitor.dev import services

    for found in services.status():
        running = {True: "running", False: "stopped", None: "not probed"}[found.running]
        click.echo(f"{found.name:10} {running:10} {found.source:12} {found.address or '–'}")
