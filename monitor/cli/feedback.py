"""What people said of answers."""

from __future__ import annotations

from pathlib import Path

import click

from monitor.cli.output import FORMATS, Format, show

AT_ONCE = 1000
SHOWN = 10


@click.group()
def feedback() -> None:
    """Bring in and list what people said of answers."""


@feedback.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--tenant", default="", help="Of traces whose row names none.")
@click.option("--source", default="", help="Who says so, where a row does not.")
def imported(file: Path, tenant: str, source: str) -> None:
    """Store the feedback of a file: CSV, JSON lines (also gzipped) or Parquet.

    Columns: id (of the trace) and value; optionally tenant, kind (thumb, rating, correction or label, which it is where
    there is none), comment, source and time. Rows brought in before, with a time, are not stored twice.
    """
    import msgspec

    from monitor import wiring
    from monitor.codec import decode_opinions
    from monitor.importing.reading import read_rows
    from monitor.importing.row import RowError
    from monitor.model.record import Partition, Record

    store, now = wiring.feedback_store(), wiring.clock()
    place = Partition(file.name, 0)
    records: list[Record] = []
    wrong: list[tuple[int, str]] = []
    for row in read_rows(file):
        if isinstance(row, RowError):
            wrong.append((row.number, row.message))
            continue
        told = {name: value for name, value in row.values.items() if name in FIELDS and value not in (None, "")}
        value = {"kind": "label", "tenant": tenant, "source": source, **told}
        value["id"] = str(value.get("id", ""))
        if value["kind"] == "rating" and isinstance(value.get("value"), str):
            value["value"] = number(value["value"])
        records.append(Record(place, row.number, msgspec.json.encode(value, enc_hook=str), {}))
    new = total = 0
    for at in range(0, len(records), AT_ONCE):
        opinions, rejects = decode_opinions(records[at : at + AT_ONCE], now)
        wrong += [(reject.record.offset, reject.message) for reject in rejects]
        total += len(opinions)
        new += store.add(opinions, now)
    click.echo(f"{new} stored, {total - new} known already, {len(wrong)} not usable")
    for place_, message in sorted(wrong)[:SHOWN]:
        click.echo(f"row {place_}: {message}", err=True)
    if wrong:
        raise SystemExit(1)


FIELDS = ("id", "value", "tenant", "kind", "comment", "source", "time")


def number(text: str) -> float | str:
    """A rating from a file of texts; what is no number stays as it is and says nothing."""
    try:
        return float(text)
    except ValueError:
        return text


@feedback.command("list")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True)
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
def listed(limit: int, form: Format) -> None:
    """Feedback, newest first."""
    from monitor import wiring

    sql = "SELECT at, tenant, id, kind, value, bad, source, comment FROM v_feedback ORDER BY at DESC, id LIMIT :limit"
    show(wiring.reader().rows(sql, {"limit": limit}), form)
