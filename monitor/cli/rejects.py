"""Records that were set aside."""

from __future__ import annotations

import sys

import click

from monitor.cli.output import FORMATS, Format, show
from monitor.ports import Sink


@click.group()
def rejects() -> None:
    """List and replay records that could not become traces."""


@rejects.command("list")
@click.option("--reason", help="Only this reason, as not_json or time_out_of_range.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True)
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
def listed(reason: str | None, limit: int, form: Format) -> None:
    """Rejects, newest first."""
    from monitor import wiring

    sql = (
        'SELECT id, received_at, topic, partition, "offset", reason, message, bytes, replayed_at FROM v_rejects'
        " WHERE reason = coalesce(:reason, reason) ORDER BY id DESC LIMIT :limit"
    )
    show(wiring.reader().rows(sql, {"reason": reason, "limit": limit}), form)


@rejects.command("show")
@click.argument("reject", type=int)
def shown(reject: int) -> None:
    """The original bytes of one reject, to standard output."""
    from monitor import wiring

    found = wiring.reject_store().with_ids([reject])
    if not found:
        raise click.ClickException(f"no reject {reject}")
    sys.stdout.buffer.write(found[0].reject.record.value)


@rejects.command("replay")
@click.option("--reason", help="Only this reason.")
@click.option("--id", "ids", type=int, multiple=True, help="Only these.")
@click.option("--again", is_flag=True, help="Those replayed before too.")
def replayed(reason: str | None, ids: tuple[int, ...], again: bool) -> None:
    """Publish rejects to the topic once more, with their original bytes: after a fix that lets them in."""
    from monitor import wiring

    found = wiring.settings()
    store = wiring.reject_store()
    sinks: dict[str, Sink] = {}
    count = 0
    for page in store.to_replay(reason=reason, ids=ids, again=again):
        for stored in page:
            record = stored.reject.record
            # Feedback goes back to its own topic; all else is traces, whichever way it came.
            of_feedback = record.partition.topic == wiring.kafka(found).feedback_topic
            topic = record.partition.topic if of_feedback else wiring.kafka(found).topic
            if topic not in sinks:
                sinks[topic] = wiring.sink(found, topic)
            sinks[topic].send(record.key or b"", record.value, record.headers)
        for sink in sinks.values():
            sink.flush()
        store.replayed([stored.id for stored in page], wiring.clock())
        count += len(page)
    for sink in sinks.values():
        sink.close()
    click.echo(f"{count} rejects replayed")
