"""What tests of the web side share: rows by SQL, and clients of the application."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, text
from starlette.testclient import TestClient

from monitor.ports import FeedbackStore
from monitor.web import feedback
from monitor.web.app import api

START = datetime(2026, 5, 1, tzinfo=UTC)


SCALARS = ("latency", "grounding.lexical", "hedging", "abstention")


def arrays(scores: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Scores as a row of ``traces`` holds them."""
    missing = {name: f"{score['status']}: {score['reason']}" for name, score in scores.items() if "reason" in score}
    reasons = sorted(set(missing.values()))
    return {
        "scalars": [scores.get(name, {}).get("value", math.nan) for name in SCALARS],
        "reasons": reasons,
        "reason_of": [reasons.index(missing[name]) + 1 if name in missing else 0 for name in SCALARS],
        "spans": json.dumps({name: score["spans"] for name, score in scores.items() if "spans" in score}),
    }


@dataclass(frozen=True, slots=True)
class Store:
    """A migrated database that tests fill by SQL."""

    engine: Engine

    def run(self, sql: str, rows: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(sql), rows)

    def add_trace(self, number: int, *, tenant: str = "acme", **given: Any) -> None:
        """Trace ``t<number>``, that many seconds after START; ``given`` replaces columns and fields of the record."""
        time = given.get("time", START + timedelta(seconds=number))
        record = {
            "id": f"t{number}",
            "prompt_text": given.get("prompt", f"question {number}"),
            "output_messages": [{"parts": [{"content": given.get("response", f"answer {number}")}]}],
            "service": {"name": "shop"},
            "segment": {"labels": given.get("labels", {})},
        }
        row = {
            "time": time, "tenant": tenant, "id": given.get("id", f"t{number}"), "build": given.get("build", "bot:1"),
            "record": json.dumps(record), "number": number,
        }  # fmt: skip
        self.run(
            "INSERT INTO signals VALUES ('scalar', :place, :name, :score) ON CONFLICT DO NOTHING",
            [{"place": i, "name": name, "score": name != "latency"} for i, name in enumerate(SCALARS, start=1)],
        )
        scores = given.get("scores", {"grounding.lexical": {"value": 0.25, "status": "ok", "spans": [[0, 6]]}})
        self.run(
            """INSERT INTO traces (time, tenant, id, build, model, received_at, topic, partition, "offset", record,
                scalars, reasons, reason_of, spans)
            VALUES (:time, :tenant, :id, :build, 'bot', :time, 'traces', 0, :number, CAST(:record AS jsonb),
                :scalars, :reasons, :reason_of, CAST(:spans AS json))""",
            row | arrays({"latency": {"value": 0.5, "status": "ok"}, **scores}),
        )

    def add_verdict(self, number: int, *, segment: str = "all", signal: str = "latency", evidence: float = 0.5) -> None:
        """A verdict on pane ``number``, a minute each from START on."""
        self.run(
            """INSERT INTO verdicts
            (pane, segment, signal, baseline, n, effect_kind, effect, log_e, log_threshold, drifted)
            VALUES (:pane, :segment, :signal, 1, 64, 'psi', 0.1, :log_e, 10, :drifted)""",
            {
                "pane": START + timedelta(minutes=number), "segment": segment, "signal": signal,
                "log_e": 10 * evidence, "drifted": evidence >= 1,
            },
        )  # fmt: skip

    def add_alert(self, number: int, *, kind: str = "drift", status: str = "firing") -> None:
        fired_at = START + timedelta(hours=number)
        labels = {"kind": kind, "segment": f"build=b{number}"}
        self.run(
            """INSERT INTO alerts VALUES (:id, :id, CAST(:labels AS jsonb), :status, :at, :at, NULL, 'latency rose',
            '{latency}', '{"effect": 2}', NULL)""",
            {"id": f"alert{number}", "labels": json.dumps(labels), "status": status, "at": fired_at},
        )

    def add_delivery(self, number: int, *, endpoint: str, status: str) -> None:
        """A transition of alert ``number`` and its message to one endpoint."""
        values = {"id": f"alert{number}", "at": START, "endpoint": endpoint, "status": status}
        self.run(
            "INSERT INTO alert_events (alert, at, happening, summary) VALUES (:id, :at, 'alert.firing', 'x')", values
        )
        self.run(
            """WITH message AS (
                INSERT INTO outbox (id, alert, fingerprint, payload, created_at)
                VALUES ('msg_' || :endpoint || :id, :id, :id, '{}', :at) RETURNING sequence
            ) INSERT INTO deliveries (sequence, endpoint, status, next_attempt_at)
            SELECT sequence, :endpoint, :status, :at FROM message""",
            values,
        )

    def add_partition(self, number: int, **given: Any) -> None:
        row = {
            "topic": "traces", "partition": number, "next": 10, "end": 12, "event_time": START, "data_at": START,
            "seen_at": START, "traces": 7, "repeats": 2, "rejects": 1, **given,
        }  # fmt: skip
        self.run(
            """INSERT INTO offsets
            (topic, partition, next, "end", event_time, data_at, seen_at, traces, repeats, rejects)
            VALUES (:topic, :partition, :next, :end, :event_time, :data_at, :seen_at, :traces, :repeats, :rejects)""",
            row,
        )

    def add_reject(self, number: int, *, reason: str = "not_json") -> None:
        self.run(
            """INSERT INTO rejects (received_at, topic, partition, "offset", reason, message, headers, value)
            VALUES (:at, 'traces', 0, :number, :reason, 'bad', '{}', 'xyz')""",
            {"at": START, "number": number, "reason": reason},
        )

    def add_baseline(self, version: int) -> None:
        self.run(
            """INSERT INTO baselines (version, source, space, traces, since, until, judged_from, sha256, stack)
            VALUES (:version, 'first traces', 'minilm', 5000, :at, :at, :at, 'abc', '')""",
            {"version": version, "at": START},
        )

    def add_build(self, build: str, first_seen: datetime) -> None:
        self.run(
            'INSERT INTO builds VALUES (:build, \'{"name": "bot"}\', NULL, :at, :at, 3)',
            {"build": build, "at": first_seen},
        )


def nothing_missing() -> Mapping[str, str | None]:
    return {"database": None}


@dataclass(frozen=True, slots=True)
class Parts:
    """What the application is made of beside the reader."""

    ready: Callable[[], Mapping[str, str | None]] = nothing_missing
    ingest: Any = None
    metrics: Callable[[], bytes] = field(default=lambda: b"driftwarden_store_up 1\n")
    token: str | None = None
    feedback: FeedbackStore | None = None


def open_client(reader: Any, parts: Parts | None = None) -> TestClient:
    parts = parts or Parts()
    taking = feedback.routes(parts.feedback, lambda: START) if parts.feedback else None
    app = api(reader, ready=parts.ready, ingest=parts.ingest, metrics=parts.metrics, token=parts.token, feedback=taking)
    return TestClient(app, raise_server_exceptions=False)


def pages(client: TestClient, address: str, **asked: Any) -> Iterator[list[dict[str, Any]]]:
    """The pages of a list, followed by their cursors."""
    cursor = None
    while True:
        answer = client.get(address, params=asked | ({"cursor": cursor} if cursor else {}))
        assert answer.status_code == 200, answer.text
        yield answer.json()["items"]
        cursor = answer.json()["next"]
        if cursor is None:
            return


def everything(client: TestClient, address: str, **asked: Any) -> list[dict[str, Any]]:
    return [row for page in pages(client, address, **asked) for row in page]
