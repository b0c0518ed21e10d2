"""Feedback in Postgres, what was calibrated with it, and certificates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
import numpy as np
import sqlalchemy as sa

from detectors.calibration import Calibration
from monitor.errors import Fenced
from monitor.model.feedback import Certificate, Fitted, Labelled, Opinion
from monitor.model.record import Partition, Progress, Reject
from monitor.storage.engine import guarded
from monitor.storage.rows import copy_set_aside

encode = msgspec.json.Encoder().encode


def insert(connection: sa.Connection, opinions: Sequence[Opinion], received_at: datetime) -> int:
    """Keeps opinions; returns how many are new."""
    new = 0
    for said in opinions:
        new += connection.exec_driver_sql(
            "INSERT INTO feedback (tenant, id, source, kind, at, value, comment, bad, received_at)"
            " VALUES (%s, %s, %s, %s, %s, %s::json, %s, %s, %s) ON CONFLICT DO NOTHING",
            (said.tenant, said.id, said.source, said.kind, said.at, encode(said.value).decode(), said.comment,
             said.bad, received_at),
        ).rowcount  # fmt: skip
    return new


def forget(engine: sa.Engine, before: datetime) -> None:
    """Deletes feedback as old as traces that are gone."""
    with guarded(engine), engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM feedback WHERE at < %s", (before,))


class PostgresFeedbackStore:
    """Implements the port FeedbackStore."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine

    def positions(self, partitions: Mapping[Partition, int]) -> Mapping[Partition, int]:
        found = {}
        with guarded(self.engine), self.engine.begin() as connection:
            for partition, first in partitions.items():
                found[partition] = connection.exec_driver_sql(
                    "INSERT INTO feedback_offsets (topic, partition, next) VALUES (%s, %s, %s)"
                    " ON CONFLICT (topic, partition) DO UPDATE SET next = feedback_offsets.next RETURNING next",
                    (partition.topic, partition.number, first),
                ).scalar_one()
        return found

    def add(
        self,
        opinions: Sequence[Opinion],
        received_at: datetime,
        *,
        rejects: Sequence[Reject] = (),
        progress: Sequence[Progress] = (),
    ) -> int:
        with guarded(self.engine), self.engine.begin() as connection:
            for step in sorted(progress, key=lambda step: (step.partition.topic, step.partition.number)):
                moved = connection.exec_driver_sql(
                    "UPDATE feedback_offsets SET next = %s WHERE topic = %s AND partition = %s AND next = %s",
                    (step.next, step.partition.topic, step.partition.number, step.first),
                )
                if moved.rowcount != 1:
                    place = f"{step.partition.topic}/{step.partition.number}"
                    raise Fenced(f"{place}: read from {step.first}, but the stored offset is another")
            copy_set_aside(connection, rejects, received_at)
            return insert(connection, opinions, received_at)

    def labelled(self, *, since: datetime | None, until: datetime | None) -> Labelled:
        sql = (
            "SELECT l.tenant, l.id, l.bad, s.score, s.value FROM v_labels AS l JOIN v_scores AS s USING (tenant, id)"
            " WHERE s.status = 'ok' AND (%(since)s::timestamptz IS NULL OR s.time >= %(since)s)"
            " AND (%(until)s::timestamptz IS NULL OR s.time < %(until)s) ORDER BY md5(l.id), l.tenant, l.id, s.time"
        )
        places: dict[tuple[str, str], int] = {}
        bad: list[bool] = []
        values: dict[str, dict[int, float]] = {}
        with guarded(self.engine), self.engine.connect() as connection:
            for row in connection.exec_driver_sql(sql, {"since": since, "until": until}):
                place = places.setdefault((row.tenant, row.id), len(places))
                if place == len(bad):
                    bad.append(row.bad)
                values.setdefault(row.score, {})[place] = row.value
        columns = {name: np.full(len(bad), np.nan) for name in sorted(values)}
        for name, found in values.items():
            columns[name][list(found)] = list(found.values())
        return Labelled(columns, np.array(bad, bool))

    def calibrated(self, found: Fitted, at: datetime) -> None:
        fit = found.calibration
        scores, shares = (None, None) if fit.knots is None else (row.tolist() for row in fit.knots)
        with guarded(self.engine), self.engine.begin() as connection:
            connection.exec_driver_sql(
                "INSERT INTO calibrations (score, kind, labels, slope, intercept, knot_scores, knot_shares,"
                " error_before, error, brier, fitted_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (found.score, fit.kind, fit.labels, fit.slope, fit.intercept, scores, shares, found.error_before,
                 found.error, found.brier, at),
            )  # fmt: skip

    def calibrations(self) -> Mapping[str, Calibration]:
        with guarded(self.engine), self.engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT * FROM v_calibrations").all()
        return {
            row.score: Calibration(
                row.kind, row.labels, row.slope, row.intercept,
                None if row.knot_scores is None else np.array([row.knot_scores, row.knot_shares]),
            )
            for row in rows
        }  # fmt: skip

    def certified(self, found: Certificate, at: datetime) -> int:
        with guarded(self.engine), self.engine.begin() as connection:
            number: int = connection.exec_driver_sql(
                "INSERT INTO certificates (score, promise, level, delta, threshold, labels, bad, flagged, made_at)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id",
                (found.score, found.promise, found.level, found.delta, found.threshold, found.labels, found.bad,
                 found.flagged, at),
            ).scalar_one()  # fmt: skip
        return number
