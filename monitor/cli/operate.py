"""Schema of the database and of the record."""

from __future__ import annotations

import json

import click


@click.command()
def migrate() -> None:
    """Bring the database schema up to date; safe to run again, and by several processes at once."""
    from monitor import wiring
    from monitor.storage import migrate as schema
    from monitor.storage import partitions

    database = wiring.engine(wiring.settings(), migrated=False)
    before, after = schema.migrate(database)
    made = partitions.ensure(database, wiring.clock())
    click.echo(f"schema {after}" + ("" if before == after else f" (was {before or 'empty'})"))
    if made:
        click.echo(f"{len(made)} day partitions made, to {max(made)[-8:]}")


@click.command()
@click.option("--compact", is_flag=True, help="On one line.")
def schema(compact: bool) -> None:
    """Print the JSON Schema (2020-12) of the trace record."""
    from monitor.codec import json_schema

    click.echo(json.dumps(json_schema(), indent=None if compact else 2))
