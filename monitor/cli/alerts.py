"""Alerts at the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from monitor.cli.output import FORMATS, Format, cell, show
from monitor.errors import Permanent
from monitor.ports import Reader

TEXT = 160  # characters of an example's prompt and answer
COLUMNS = "id, status, severity, segment, onset, fired_at, resolved_at, resolution, summary"


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
    for name in (
        "id", "status", "severity", "segment", "onset", "fired_at", "resolved_at", "resolution", "paged",
        "inhibited_by", "summary",
    ):  # fmt: skip
        click.echo(f"{name:13} {cell(one[name])}")
    click.echo()
    evidence = dict(one["evidence"])
    explanation = evidence.pop("explanation", None)
    show(({"signal": signal, **figures} for signal, figures in evidence.items()), "table", title="Evidence")
    if explanation is not None:
        show_explanation(reader, explanation)
    for title, view, order in (("History", "v_alert_events", "id"), ("Deliveries", "v_deliveries", "created_at")):
        click.echo()
        sql = f"SELECT * FROM {view} WHERE alert = :id ORDER BY {order}"
        rows = reader.rows(sql, {"id": one["id"]})
        show(
            ({k: v for k, v in row.items() if k not in ("alert", "fingerprint")} for row in rows), "table", title=title
        )


def show_explanation(reader: Reader, explanation: Mapping[str, Any]) -> None:
    """The causes, and the examples with their texts where the traces are still kept."""
    click.echo()
    show(
        (
            {
                "kind": cause["kind"],
                "name": cause["name"],
                "share": f"{cause['share']:.0%}",
                "p": cause["p_value"],
                "sentence": cause["sentence"],
            }
            for cause in explanation["causes"]
        ),
        "table",
        title="Causes",
    )
    rows: list[dict[str, Any]] = []
    for number, example in enumerate(explanation["examples"], start=1):
        for side, place in (("now", example), ("before", example["before"])):
            if place is not None:
                rows.append({"example": number, "side": side, **exchange(reader, place)})
    click.echo()
    show(rows, "table", title="Examples: the farthest along the change, and the most similar prompts from before")


def exchange(reader: Reader, place: Mapping[str, Any]) -> dict[str, Any]:
    """A trace by its key, with what was asked and answered."""
    sql = "SELECT prompt, response FROM v_traces WHERE (tenant, id, time) = (:tenant, :id, CAST(:time AS timestamptz))"
    key = {name: place[name] for name in ("tenant", "id", "time")}
    found = next(iter(reader.rows(sql, key)), {"prompt": None, "response": None})
    return {"place": place["place"], **key, **{name: shortened(text) for name, text in found.items()}}


def shortened(text: str | None) -> str | None:
    return text if text is None or len(text) <= TEXT else f"{text[:TEXT]}…"


@alerts.command("ack")
@click.argument("alert")
def acknowledged(alert: str) -> None:
    """Acknowledge a firing alert: someone is on it. It still resolves by itself."""
    from monitor import wiring

    if not wiring.acknowledge(alert):
        raise Permanent(f"alert {alert!r}: no firing alert has this id")
    click.echo(f"{alert} acknowledged")
