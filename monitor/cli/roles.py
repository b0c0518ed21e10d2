"""The long-running roles."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import click

from monitor.errors import Transient


@click.command()
@click.option(
    "--without",
    multiple=True,
    type=click.Choice(["consume", "judge", "notify", "serve", "guard", "worker", "tap", "canary"]),
    help="Leave out a role.",
)
def run(without: tuple[str, ...]) -> None:
    """Run everything: migrates the database, makes the topics, and keeps its roles alive: consume, judge,
    notify and serve, guard where there are policies, worker where there is a model, tap where there is an upstream, and
    canary where there is an endpoint to ask."""
    from monitor import wiring
    from monitor.supervisor import Supervisor
    from monitor.telemetry import Telemetry

    stop = wiring.Stop().listen()
    found = wiring.settings()
    telemetry = Telemetry("run", json_logs=wiring.json_logs(found))
    patiently(lambda: wiring.prepare(found, lambda line: click.echo(line, err=True)), stop)
    roles = [role for role in wiring.ROLES if role not in without]
    if found.kafka is None and "consume" in roles:
        click.echo("no broker is set (DRIFTWARDEN_KAFKA__BOOTSTRAP_SERVERS): traces come in over HTTP only", err=True)
        roles.remove("consume")
    if not found.guard.policies and "guard" in roles:
        roles.remove("guard")
    if found.worker.model is None and "worker" in roles:
        roles.remove("worker")
    if found.tap.upstream is None and "tap" in roles:
        roles.remove("tap")
    if found.canary.url is None and "canary" in roles:
        roles.remove("canary")
    Supervisor(roles, os.environ, telemetry.emit).run(stop, stop.wait)


def patiently(action: Callable[[], object], stopped: Callable[[], bool], *, for_s: float = 120.0) -> None:
    """Tries an action while what it needs is away: a database and a sidecar often start together."""
    until, told = time.monotonic() + for_s, ""
    while True:
        try:
            action()
            return
        except Transient as error:
            if time.monotonic() > until or stopped():
                raise
            if str(error) != told:
                told = str(error)
                click.echo(f"{told}; trying again for {for_s:.0f} s", err=True)
            time.sleep(1.0)


def role(name: str, about: str) -> click.Command:
    @click.command(name=name, help=about)
    def command() -> None:
        from monitor import wiring

        stop = wiring.Stop().listen()
        patiently(lambda: wiring.ready_for(name), stop)
        wiring.run_role(name, stop)

    return command


consume = role("consume", "Read traces from Kafka, score them, and store them with their offsets in one transaction.")
judge = role("judge", "Judge the panes that are complete, learn references, and raise and resolve alerts.")
notify = role("notify", "Deliver alerts to the webhooks of the settings, signed, in order, at least once.")
serve = role("serve", "Answer the JSON API, POST /v1/traces, /metrics, /livez and /readyz.")
