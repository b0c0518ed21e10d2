"""A bounded sample of stored traces: the same whenever it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from monitor.model.scored import Scored
from monitor.model.segment import Segment
from monitor.storage.history import as_scored
from monitor.storage.places import read_places

# Where the value of a label stands, as `label_value` reads it from a trace.
PLACES = {
    "build": "t.build",
    "model": "t.model",
    "prompt_template": "t.prompt_template",
    "tenant": "t.tenant",
    "environment": "t.environment",
    "service": "t.record #>> '{service,name}'",
}

# The wide columns are fetched for the chosen traces alone.
SAMPLE = """
    WITH chosen AS MATERIALIZED (
        SELECT t.tenant, t.id, t.time
        FROM unnest(%s::timestamptz[], %s::timestamptz[]) AS span (start, stop)
        JOIN traces AS t ON t.time >= span.start AND t.time < span.stop
        WHERE {segment}
        ORDER BY md5(t.id), t.tenant, t.time LIMIT %s
    )
    SELECT t.topic, t.partition, t."offset", t.record::text AS record, t.prompt_embedding, t.response_embedding,
        t.scalars, t.categories
    FROM chosen JOIN traces AS t USING (tenant, id, time)
    ORDER BY t.time, t.tenant, t.id
"""


def read_sample(
    connection: sa.Connection, segment: Segment, spans: Sequence[tuple[datetime, datetime]], limit: int
) -> Scored:
    """Traces of a segment from spans of time: those with the smallest MD5 of their id."""
    starts, stops = [start for start, _ in spans], [stop for _, stop in spans]
    conditions, values = ["true"], list[object]()
    for label, value in segment.pairs:
        if label in PLACES:
            conditions.append(f"{PLACES[label]} = %s")
            values.append(value)
        else:
            conditions.append("t.record #>> ARRAY['segment', 'labels', %s] = %s")
            values += [label.removeprefix("labels."), value]
    asked = (starts, stops, *values, limit)
    rows = connection.exec_driver_sql(SAMPLE.format(segment=" AND ".join(conditions)), asked).all()
    return as_scored(rows, read_places(connection))
