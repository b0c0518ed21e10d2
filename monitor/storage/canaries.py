"""Golden prompts, their answers and the state of each target, in Postgres."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import sqlalchemy as sa

from detectors.canary import Watch
from detectors.shift import Position
from monitor.model.alert import Change
from monitor.model.canary import Answer, Canary, Pin, Place, Quality, Told, labels_of
from monitor.storage.alerts import open_alert, open_drifts, take_turn, write_change
from monitor.storage.engine import Json, guarded

encode = msgspec.json.Encoder(order="sorted").encode

NEXT = """
    SELECT c.content::text AS content FROM canaries AS c
    ORDER BY (SELECT max(r.id) FROM canary_results AS r WHERE r.target = %s AND r.canary = c.name) NULLS FIRST, c.name
    LIMIT 1
"""
# What was compared, without the reference's own repetitions.
TESTED = "SELECT * FROM canary_results WHERE pin = %s AND marks IS NOT NULL AND NOT pinned ORDER BY id DESC LIMIT %s"
# The first of the reference's answers to each prompt is what others are compared with.
REFERENCES = """
    SELECT DISTINCT ON (digest) * FROM canary_results WHERE pin = %s AND digest = ANY(%s) AND pinned ORDER BY digest, id
"""


class PostgresCanaryStore:
    """Implements the port CanaryStore; ``endpoints`` names the receivers that hear of its alerts."""

    def __init__(self, engine: sa.Engine, *, endpoints: Sequence[str] = ()) -> None:
        self.engine, self.endpoints = engine, tuple(endpoints)
        self.held: sa.Connection | None = None

    def add(self, canaries: Sequence[Canary], at: datetime) -> tuple[int, int]:
        """Keeps golden prompts by name; how many are new, and how many say something else than before."""
        new = changed = 0
        with guarded(self.engine), self.engine.begin() as connection:
            for canary in canaries:
                row = connection.exec_driver_sql(
                    "SELECT digest FROM canaries WHERE name = %s FOR UPDATE", (canary.name,)
                ).one_or_none()
                new += row is None
                changed += row is not None and row.digest != canary.digest
                connection.exec_driver_sql(
                    "INSERT INTO canaries VALUES (%s, %s, %s, %s) ON CONFLICT (name)"
                    " DO UPDATE SET digest = excluded.digest, content = excluded.content",
                    (canary.name, canary.digest, Json(encode(canary)), at),
                )
        return new, changed

    def remove(self, names: Sequence[str] | None) -> int:
        """Removes golden prompts by name, all of them for None; answers to them stay."""
        chosen = None if names is None else list(names)
        with guarded(self.engine), self.engine.begin() as connection:
            return int(
                connection.exec_driver_sql(
                    "DELETE FROM canaries WHERE %s::text[] IS NULL OR name = ANY(%s::text[])", (chosen, chosen)
                ).rowcount
            )

    def canaries(self) -> Sequence[Canary]:
        with guarded(self.engine), self.engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT content::text AS content FROM canaries ORDER BY name").all()
        return [msgspec.json.decode(row.content, type=Canary) for row in rows]

    def next_up(self, target: str) -> Canary | None:
        with guarded(self.engine), self.engine.connect() as connection:
            row = connection.exec_driver_sql(NEXT, (target,)).one_or_none()
        return None if row is None else msgspec.json.decode(row.content, type=Canary)

    def pin(self, target: str, repeats: int, at: datetime) -> Sequence[Change]:
        with guarded(self.engine), self.engine.begin() as connection:
            self.next_pin(connection, target, repeats, at)
            alert = open_alert(connection, labels_of(target))
            if alert is None:
                return []
            change = Change("alert.resolved", alert.resolved(at, "accepted"), at)
            write_change(connection, change, self.endpoints)
            return [change]

    @contextmanager
    def place(self, target: str, canary: Canary, repeats: int, at: datetime) -> Iterator[Place]:
        with guarded(self.engine), self.engine.begin() as connection:
            pin = self.open_pin(connection, target, repeats, at)
            references = self.references(connection, pin, [canary.digest])
            rows = connection.exec_driver_sql(
                "SELECT digest, count(*) AS pinned FROM canary_results WHERE pin = %s AND pinned GROUP BY digest",
                (pin.id,),
            )
            pinned = {row.digest: row.pinned for row in rows}
            usable = max(pinned.values(), default=0) >= pin.repeats
            take_turn(connection)
            prompts = connection.exec_driver_sql("SELECT count(*) FROM canaries").scalar_one()
            alert = open_alert(connection, labels_of(target))
            self.held = connection
            try:
                yield Place(
                    pin, references.get(canary.digest), pinned.get(canary.digest, 0), usable, max(prompts, 1), alert,
                    open_drifts(connection),
                )  # fmt: skip
            finally:
                self.held = None

    def anew(self, place: Place, at: datetime) -> Place:
        connection = self.held
        assert connection is not None, "anew belongs inside the place's block"
        pin = self.next_pin(connection, place.pin.target, place.pin.repeats, at)
        return replace(place, pin=pin, reference=None, repetitions=0)

    def next_pin(self, connection: sa.Connection, target: str, repeats: int, at: datetime) -> Pin:
        connection.exec_driver_sql(
            "UPDATE canary_pins SET ended_at = %s WHERE target = %s AND ended_at IS NULL", (at, target)
        )
        return self.open_pin(connection, target, repeats, at)

    def open_pin(self, connection: sa.Connection, target: str, repeats: int, at: datetime) -> Pin:
        """The reference in force, locked; it begins here where there is none."""
        connection.exec_driver_sql(
            "INSERT INTO canary_pins (target, repeats, begun_at, watch) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (target, repeats, at, state_of(Watch())),
        )
        row = connection.exec_driver_sql(
            "SELECT *, watch::text AS state FROM canary_pins WHERE target = %s AND ended_at IS NULL FOR UPDATE",
            (target,),
        ).one()
        watch = msgspec.json.decode(row.state, type=Watch)
        return Pin(row.id, target, row.repeats, row.begun_at, watch, row.build, row.log_threshold, row.since)

    def references(self, connection: sa.Connection, pin: Pin, digests: Sequence[str]) -> dict[str, Told]:
        rows = connection.exec_driver_sql(REFERENCES, (pin.id, list(digests))).all()
        return {row.digest: stored(row) for row in rows}

    def since(self, pin: Pin, canaries: int) -> Sequence[tuple[Told, Told]]:
        connection = self.held
        assert connection is not None, "since belongs inside the place's block"
        rows = connection.exec_driver_sql(TESTED, (pin.id, canaries)).all()
        references = self.references(connection, pin, list({row.digest for row in rows}))
        return [(stored(row), references[row.digest]) for row in reversed(rows)]

    def record(self, target: str, told: Told, pin: Pin | None, change: Change | None) -> None:
        if self.held is not None:
            return self.written(self.held, target, told, pin, change)
        with guarded(self.engine), self.engine.begin() as connection:
            return self.written(connection, target, told, pin, change)

    def written(
        self, connection: sa.Connection, target: str, told: Told, pin: Pin | None, change: Change | None
    ) -> None:
        row = {"target": target, "pin": None if pin is None else pin.id, **columns(told)}
        if pin is not None:
            watch = pin.watch
            row["log_e"] = watch.log_e
            connection.exec_driver_sql(
                "UPDATE canary_pins SET watch = %s, changed = %s, since = %s, log_e = %s, log_threshold = %s,"
                " build = %s WHERE id = %s",
                (state_of(watch), watch.changed, pin.since, watch.log_e, pin.log_threshold, pin.build, pin.id),
            )
        names = ", ".join(row)
        marks = ", ".join("%s" for _ in row)
        connection.exec_driver_sql(f"INSERT INTO canary_results ({names}) VALUES ({marks})", tuple(row.values()))  # noqa: S608
        if change is not None:
            write_change(connection, change, self.endpoints)


def state_of(watch: Watch) -> Json:
    return Json(msgspec.json.encode(watch))


def columns(told: Told) -> dict[str, Any]:
    """An answer as a row."""
    answer, quality = told.answer, told.quality
    ok = answer.status == "ok"
    return {
        "at": told.at, "canary": told.canary, "digest": told.digest, "pinned": told.pinned, "status": answer.status,
        "reason": answer.reason, "build": answer.build, "model": answer.model, "answer": answer.text if ok else None,
        "finish_reason": answer.finish, "positions": Json(encode(answer.positions)), "latency_s": answer.latency_s,
        "exact_match": quality and quality.exact, "token_f1": quality and quality.f1,
        "rouge_l": quality and quality.rouge_l, "first_shift": told.first_shift, "shift": told.shift,
        "changed": told.changed, "worse": told.worse, "marks": None if told.marks is None else Json(encode(told.marks)),
    }  # fmt: skip


def stored(row: sa.Row[Any]) -> Told:
    positions = msgspec.convert(row.positions, list[Position])
    answer = Answer(
        row.status, row.reason, row.answer or "", row.finish_reason, positions, row.build, row.model, row.latency_s
    )
    quality = None if row.exact_match is None else Quality(row.exact_match, row.token_f1, row.rouge_l)
    return Told(
        row.canary, row.digest, row.at, answer, row.pinned, quality, row.first_shift, row.shift, row.changed,
        row.worse, row.marks,
    )  # fmt: skip


def forget(engine: sa.Engine, before: datetime) -> None:
    """Deletes answers to canaries from before, but for those of references in force."""
    with guarded(engine), engine.begin() as connection:
        connection.exec_driver_sql(
            "DELETE FROM canary_results AS r WHERE at < %s AND NOT (pinned AND EXISTS"
            " (SELECT FROM canary_pins AS p WHERE p.id = r.pin AND p.ended_at IS NULL))",
            (before,),
        )
