"""Canaries, made from their settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from time import perf_counter
from typing import Any

import sqlalchemy as sa

from monitor.canaries.client import CanaryClient
from monitor.canaries.config import CanaryConfig
from monitor.canaries.running import Canaries, Pace, run
from monitor.errors import Permanent
from monitor.events import Started, Stopped
from monitor.judging import new_id
from monitor.model.canary import Quality
from monitor.scoring.quality import exact_match, pairs, rouge_l, token_f1
from monitor.settings import Settings
from monitor.storage.canaries import PostgresCanaryStore
from monitor.telemetry import Telemetry
from monitor.wiring.parts import clock, engine, settings
from monitor.wiring.roles import json_logs
from monitor.wiring.stop import Stop


def canary_store() -> PostgresCanaryStore:
    found = settings()
    return store_on(engine(found), found)


def store_on(database: sa.Engine, found: Settings) -> PostgresCanaryStore:
    return PostgresCanaryStore(database, endpoints=[endpoint.name for endpoint in found.webhook.endpoints])


def quality(answer: str, known: Sequence[str]) -> Quality | None:
    """An answer beside right ones, by the scores of traces turned round; one without words is wrong."""
    if not known:
        return None
    found = pairs([answer], [known])
    missed, apart, longer = (scores(found)[0].value for scores in (exact_match, token_f1, rouge_l))
    if missed is None or apart is None or longer is None:
        return Quality(exact=False, f1=0.0, rouge_l=0.0)
    return Quality(exact=missed == 0.0, f1=1.0 - apart, rouge_l=1.0 - longer)


def wanted(found: Settings, given: Mapping[str, Any]) -> CanaryConfig:
    """The settings with what the command line says instead. Raises Permanent for what can't be."""
    try:
        config = replace(found.canary, **{name: value for name, value in given.items() if value is not None})
    except ValueError as error:
        raise Permanent(str(error)) from error
    if config.url is None:
        raise Permanent("DRIFTWARDEN_CANARY__URL is not set (or --url), such as http://127.0.0.1:8323/v1")
    return config


@contextmanager
def canaries_of(found: Settings, config: CanaryConfig, telemetry: Telemetry) -> Iterator[Canaries]:
    """What sends golden prompts, while the block lasts."""
    database = engine(found)
    with closing(CanaryClient(config, perf_counter)) as client:
        yield Canaries(store_on(database, found), client, config, quality, clock, telemetry.emit, new_id)
    database.dispose()


def run_canary(found: Settings, stopped: Stop, telemetry: Telemetry) -> None:
    """Sends golden prompts on a schedule to the endpoint of the settings."""
    config = wanted(found, {})
    with canaries_of(found, config, telemetry) as canaries:
        telemetry.emit(Started("canary", f"{config.url}, a prompt every {config.every_s:g} s"))
        run(canaries, Pace(config.every_s, stopped, stopped.wait, perf_counter))
    telemetry.emit(Stopped("canary"))


@contextmanager
def sending(stopped: Stop, given: Mapping[str, Any]) -> Iterator[tuple[Canaries, Pace]]:
    """Canaries of the settings and the command line, logging to standard error, while the block lasts."""
    found = settings()
    config = wanted(found, given)
    telemetry = Telemetry("canary", json_logs=json_logs(found))
    telemetry.include_libraries()
    with canaries_of(found, config, telemetry) as canaries:
        telemetry.emit(Started("canary", config.url or ""))
        yield canaries, Pace(config.every_s, stopped, stopped.wait, perf_counter)
    telemetry.emit(Stopped("canary"))
    telemetry.close()
