"""The one place that knows everyone: settings in, running roles out."""

from monitor.wiring.guarding import backtest, guard, guard_client, guard_engine
from monitor.wiring.parts import (
    accepter,
    acknowledge,
    baseline_store,
    clock,
    embedder,
    engine,
    feedback_store,
    kafka,
    learner,
    outbox,
    reader,
    reject_store,
    scorer,
    settings,
    sink,
    space,
    test_message,
    watch_store,
)
from monitor.wiring.roles import ROLES, Stop, json_logs, prepare, ready_for, run_role

__all__ = [
    "ROLES", "Stop", "accepter", "acknowledge", "backtest", "baseline_store", "clock", "embedder", "engine",
    "feedback_store", "guard", "guard_client", "guard_engine", "json_logs", "kafka", "learner", "outbox", "prepare",
    "reader", "ready_for", "reject_store", "run_role", "scorer", "settings", "sink", "space", "test_message",
    "watch_store",
]  # fmt: skip
