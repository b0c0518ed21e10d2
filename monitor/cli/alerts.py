"""Alerts at the terminal."""

from __future__ import annotations

import click

from monitor.cli.output import FORMATS, Format, cell, show
from monitor.errors import Permanent

COLUMNS = "id, status, segment, onset, fired_at, resolved_at, summary"


@click.group()
def alerts() -> None:
    """List, show and acknowledge alerts."""


@alerts.command("list")
@click.option("--all", "everything", is_flag=True, help="Resolved ones too.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
def listed(everything: bool, form: Format) -> None:
    """Open alerts, newest first."""
    from monitor import wiring

    where = "" if everything else "WHERE status <> 'resolved'"
    show(wiring.reader().rows(f"SELECT {COLUMNS} FROM v_alerts {where} ORDER BY fired_at DESC", {}), form)


@alerts.command("show")
@click.argument("alert")
def shown(alert: str) -> None:
    """One alert with its evidence, its history and its deliveries. ALERT is an id or its beginning."""
    from monitor import wiring

    reader = wiring.reader()
    found = list(reader.rows("SELECT * FROM v_alerts WHERE id LIKE :id || '%' LIMIT 2", {"id": alert}))
    if len(found) != 1:
        raise Permanent(f"alert {alert!r}: {'no such alert' if not found else 'more than one begins like this'}")
    one = found[0]
    for name in ("id", "status", "segment", "onset", "fired_at", "resolved_at", "inhibited_by", "summary"):
        click.echo(f"{name:13} {cell(one[name])}")
    click.echo()
    show(({"signal": signal, **figures} for signal, figures in one["evidence"].items()), "table", title="Evidence")
    for title, view, order in (("History", "v_alert_events", "id"), ("Deliveries", "v_deliveries", "created_at")):
        click.echo()
        sql = f"SELECT * FROM {view} WHERE alert = :id ORDER BY {order}"
        rows = reader.rows(sql, {"id": one["id"]})
        show(
            ({k: v for k, v in row.items() if k not in ("alert", "fingerprint")} for row in rows), "table", title=title
        )


@alerts.command("ack")
@click.argument("alert")
def acknowledged(alert: str) -> None:
    """Acknowledge a firing alert: someone is on it. It still resolves by itself."""
    from monitor import wiring

    if not wiring.acknowledge(alert):
        raise Permanent(f"alert {alert!r}: no firing alert has this id")
    click.echo(f"{alert} acknowledged")
