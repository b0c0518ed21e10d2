"""What the database knows, as figures for Prometheus: exact, and the same from whichever process serves them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from monitor.errors import Transient
from monitor.model.metric import Metric
from monitor.model.record import Partition, PartitionState
from monitor.ports import Reader
from monitor.watch import Pace, watermark

# A bound on what one installation asks of Prometheus; the series left out are those with the least evidence.
DRIFT_SERIES = 2_000

# A segment without a pane in this span before the newest one has no traffic to speak of.
RECENT = timedelta(hours=1)


def database_metrics(
    reader: Reader, now: datetime, *, pace: Pace | None = None, drift_series: int = DRIFT_SERIES
) -> list[Metric]:
    """All figures; where the database is away only ``driftwarden_store_up``, which is then 0."""
    try:
        metrics = [
            *of_partitions(reader, now, pace or Pace()),
            *of_alerts(reader),
            *of_drift(reader, drift_series),
            *of_baselines(reader),
            *of_canaries(reader, now),
        ]
    except Transient:
        return [up(False)]
    return [up(True), *metrics]


def up(reached: bool) -> Metric:
    return gauge("driftwarden_store_up", "Whether the database answers.", (), [((), float(reached))])


def of_partitions(reader: Reader, now: datetime, pace: Pace) -> list[Metric]:
    rows = list(reader.rows("SELECT * FROM v_partitions ORDER BY topic, partition", {}))
    labels = ("topic", "partition")

    def samples(column: str) -> list[tuple[tuple[str, ...], float]]:
        return [((row["topic"], str(row["partition"])), float(row[column])) for row in rows]

    quiet = [((row["topic"], str(row["partition"])), (now - row["data_at"]).total_seconds()) for row in rows]
    mark = watermark([state(row) for row in rows], now, pace)
    age = [((), (now - mark).total_seconds())] if mark is not None else []
    return [
        counter("driftwarden_store_traces", "Traces stored.", labels, samples("traces")),
        counter("driftwarden_store_repeats", "Traces that came again and were not stored twice.", labels,
                samples("repeats")),
        counter("driftwarden_store_rejects", "Records that could not become traces.", labels, samples("rejects")),
        gauge("driftwarden_partition_lag", "Records not read yet.", labels, samples("lag")),
        gauge("driftwarden_partition_quiet_seconds", "Seconds since the last record was stored.", labels, quiet),
        gauge("driftwarden_watermark_age_seconds", "Seconds from the event time up to which all traces are in to now.",
              (), age),
    ]  # fmt: skip


def state(row: Mapping[str, Any]) -> PartitionState:
    partition = Partition(row["topic"], row["partition"])
    names = ("next", "end", "event_time", "data_at", "resumed_at", "seen_at")
    return PartitionState(partition, *(row[name] for name in names))


def of_alerts(reader: Reader) -> list[Metric]:
    alerts = reader.rows(
        """SELECT kind, count(*) FILTER (WHERE status <> 'resolved') AS open, count(*) AS ever
        FROM v_alerts GROUP BY kind ORDER BY kind""",
        {},
    )
    counts = [((row["kind"] or "",), row["open"], row["ever"]) for row in alerts]
    waiting = reader.rows(
        """SELECT endpoint, count(*) FILTER (WHERE status = 'pending') AS pending,
        count(*) FILTER (WHERE status = 'dead') AS dead FROM v_deliveries GROUP BY endpoint ORDER BY endpoint""",
        {},
    )
    standing = [((row["endpoint"], status), float(row[status])) for row in waiting for status in ("pending", "dead")]
    return [
        gauge("driftwarden_alerts_open", "Alerts firing or acknowledged.", ("kind",),
              [(kind, float(count)) for kind, count, _ in counts]),
        counter("driftwarden_store_alerts", "Alerts that ever fired.", ("kind",),
                [(kind, float(ever)) for kind, _, ever in counts]),
        gauge("driftwarden_deliveries_waiting", "Messages to endpoints that are not delivered: pending, or given up.",
              ("endpoint", "status"), standing),
    ]  # fmt: skip


def of_drift(reader: Reader, most: int) -> list[Metric]:
    (newest,) = (row["pane"] for row in reader.rows("SELECT max(pane) AS pane FROM v_drift", {}))
    rows: list[Mapping[str, Any]] = []
    if newest is not None:
        sql = """SELECT segment, signal, evidence, drifted, count(*) OVER () AS series FROM (
                SELECT DISTINCT ON (segment, signal) segment, signal, evidence, drifted FROM v_drift
                WHERE pane >= :since ORDER BY segment, signal, pane DESC, baseline DESC, drifted DESC, evidence DESC
            ) AS latest ORDER BY segment = 'all' DESC, evidence DESC, segment, signal LIMIT :most"""
        rows = list(reader.rows(sql, {"since": newest - RECENT, "most": most}))
    left_out = rows[0]["series"] - len(rows) if rows else 0
    labels = ("segment", "signal")
    evidence = [((row["segment"], row["signal"]), float(row["evidence"])) for row in rows]
    drifted = [((row["segment"], row["signal"]), float(row["drifted"])) for row in rows]
    return [
        gauge("driftwarden_drift_evidence", "Evidence of drift in the newest pane; an alert starts at 1.", labels,
              evidence),
        gauge("driftwarden_drifted", "Whether the signal has drifted and has not cleared.", labels, drifted),
        gauge("driftwarden_drift_series_left_out", f"Segments and signals beyond the {most} that are shown.", (),
              [((), float(left_out))]),
    ]  # fmt: skip


def of_baselines(reader: Reader) -> list[Metric]:
    sql = """SELECT version, traces, coalesce(cardinality(segments), 0) AS segments, cardinality(left_out) AS left_out
        FROM v_baselines WHERE in_force"""
    rows = list(reader.rows(sql, {}))
    return [
        gauge("driftwarden_store_baseline_version", "Version of the baseline in force, 0 before the first.", (),
              [((), float(rows[0]["version"] if rows else 0))]),
        gauge("driftwarden_store_baseline_traces", "Traces that the baseline in force was learned from.", (),
              [((), float(rows[0]["traces"] if rows else 0))]),
        gauge("driftwarden_store_baseline_segments", "Segments that are judged by themselves.", (),
              [((), float(rows[0]["segments"] if rows else 0))]),
        gauge("driftwarden_store_baseline_segments_left_out", "Segments that drift.segment_limit left to be judged in"
              " all traffic only.", (), [((), float(rows[0]["left_out"] if rows else 0))]),
    ]  # fmt: skip


def of_canaries(reader: Reader, now: datetime) -> list[Metric]:
    """A target's state is that of any of its prompts."""
    standing = """SELECT target, max(evidence) AS evidence, bool_or(state = 'changed') AS changed,
        max(at) AS answered_at FROM v_canaries GROUP BY target ORDER BY target"""
    rows = list(reader.rows(standing, {}))

    def samples(of: Callable[[Mapping[str, Any]], float]) -> list[tuple[tuple[str, ...], float]]:
        return [((row["target"],), of(row)) for row in rows if row["answered_at"] is not None]

    return [
        gauge("driftwarden_canary_evidence", "Evidence of a change of the target; an alert starts at 1.", ("target",),
              samples(lambda row: float(row["evidence"] or 0.0))),
        gauge("driftwarden_canary_changed", "Whether a change of the target is reported.", ("target",),
              samples(lambda row: float(row["changed"]))),
        gauge("driftwarden_canary_quiet_seconds", "Seconds since the target last answered a golden prompt.",
              ("target",), samples(lambda row: (now - row["answered_at"]).total_seconds())),
    ]  # fmt: skip


def counter(name: str, told: str, labels: tuple[str, ...], samples: Sequence[tuple[tuple[str, ...], float]]) -> Metric:
    return Metric(name, "counter", told, labels, samples)


def gauge(name: str, told: str, labels: tuple[str, ...], samples: Sequence[tuple[tuple[str, ...], float]]) -> Metric:
    return Metric(name, "gauge", told, labels, samples)
