"""What ``driftwarden doctor`` asks: each check answers with a fact or raises with what to do."""

from __future__ import annotations

import os

from monitor import wiring
from monitor.errors import Permanent
from monitor.fitting import require_space
from monitor.model.baseline import Baseline
from monitor.settings import config_file


def settings() -> str:
    found = wiring.settings()
    file = config_file(os.environ)
    drift = found.drift
    return (
        f"{file or 'environment only'}; at most {drift.false_alarms:g} false alarms in 30 days,"
        f" panes of {drift.pane_s:g} s, references of {drift.reference_traces} traces"
    )


def database() -> str:
    from monitor.storage.engine import place_of

    found = wiring.engine(wiring.settings())
    with found.connect() as connection:
        version = connection.exec_driver_sql("SHOW server_version").scalar_one()
    return f"PostgreSQL {version} at {place_of(found)}, schema up to date"


def kafka() -> str:
    from monitor.kafka.topics import partition_count

    found = wiring.settings()
    if found.kafka is None:
        return "not set: traces come in over HTTP only"
    count = partition_count(found.kafka)
    return f"{found.kafka.bootstrap_servers}, topic {found.kafka.topic} with {count} partitions"


def model() -> str:
    found = wiring.settings()
    if found.embedding.source == "trace":
        return f"vectors of {found.embedding.name} come with the traces"
    encoder = wiring.embedder(found)
    if encoder is None:
        raise Permanent("no encoder")
    vector = encoder.encode(["Is anybody there?"])[0]
    return f"{encoder.name}, {len(vector)} dimensions, fingerprint {encoder.fingerprint}, on {found.embedding.provider}"


def reference() -> str:
    """The baseline in force; raises where this installation makes other embeddings than those it was made of."""
    from monitor.storage.baselines import PostgresBaselineStore

    found = wiring.settings()
    store = PostgresBaselineStore(wiring.engine(found))
    baseline, wanted = store.baseline(), found.drift.reference_traces
    if baseline is None:
        return f"none yet: learned from the first {wanted:,} traces, of which {store.count():,} are in"
    require_space(baseline, wiring.space(found))
    if baseline.cleared:
        return f"none since the last was cleared: {store.count(after=baseline.until):,} of {wanted:,} traces are in"
    lengths = baseline.run_lengths
    replayed = f", run length {lengths[0]:.2f} to {lengths[1]:.2f} of the one aimed at" if lengths else ""
    return (
        f"baseline {baseline.version} ({baseline.source}): {baseline.traces:,} traces,"
        f" {len(baseline.references)} segments{replayed}{left_out(baseline, found.drift.segment_limit)}"
    )


def guard() -> str:
    found = wiring.settings()
    if not found.guard.policies:
        return "no policy set: nothing is checked (try `driftwarden guard example`)"
    engine = wiring.guard_engine()
    plans = list(engine.plans.values())
    engine.close()
    told = ", ".join(f"{plan.policy.name} ({len(plan.policy.rules)} rules, {plan.hash})" for plan in plans)
    return f"{told}; {found.guard.host}:{found.guard.port}"


def left_out(baseline: Baseline, limit: int) -> str:
    if not baseline.left_out:
        return ""
    return (
        f"; {len(baseline.left_out)} more segments, {baseline.left_out[0]} the largest, are judged in all traffic only:"
        f" drift.segment_limit is {limit}"
    )


def webhooks() -> str:
    names = [endpoint.name for endpoint in wiring.settings().webhook.endpoints]
    return (
        f"{', '.join(names)} (try `driftwarden webhook test NAME`)" if names else "none set: nobody is told of alerts"
    )
