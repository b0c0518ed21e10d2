"""The one place that knows everyone: settings in, running roles out."""

from monitor.wiring.canaries import canary_store, sending
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
from monitor.wiring.roles import ROLES, json_logs, prepare, ready_for, run_role
from monitor.wiring.stop import Stop

__all__ = [
    "ROLES", "Stop", "accepter", "acknowledge", "backtest", "baseline_store", "canary_store", "clock", "embedder",
    "engine", "feedback_store", "guard", "guard_client", "guard_engine", "json_logs", "kafka", "learner", "outbox",
    "prepare", "reader", "ready_for", "reject_store", "run_role", "scorer", "sending", "settings", "sink", "space",
    "test_message", "watch_store",
]  # fmt: skip
