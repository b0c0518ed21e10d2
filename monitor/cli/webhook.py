"""Endpoints: secrets, tests and replays."""

from __future__ import annotations

import base64
import secrets
from datetime import timedelta

import click

from monitor.errors import Permanent


@click.group()
def webhook() -> None:
    """Make a secret, test an endpoint, replay what it missed."""


@webhook.command("secret")
def secret() -> None:
    """Print a new signing secret (Standard Webhooks, 32 random bytes)."""
    click.echo("whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())


@webhook.command("test")
@click.argument("endpoint")
def tested(endpoint: str) -> None:
    """Send a signed test message to ENDPOINT, by the same path as a real one."""
    from monitor import wiring
    from monitor.model.alert import Delivered
    from monitor.webhook.sender import WebhookSender

    found = wiring.settings()
    names = [known.name for known in found.webhook.endpoints]
    if endpoint not in names:
        raise Permanent(
            f"webhook {endpoint!r} is not in the settings; there {'is' if len(names) == 1 else 'are'}: {names}"
        )
    now = wiring.clock()
    outcome = WebhookSender(found.webhook).send(wiring.test_message(endpoint, now), now)
    if not isinstance(outcome, Delivered):
        raise Permanent(f"webhook {endpoint}: {outcome.reason}")
    click.echo(f"webhook {endpoint} took the test message: HTTP {outcome.status}")


@webhook.command("replay")
@click.argument("endpoint")
@click.option("--hours", type=click.FloatRange(0, min_open=True), default=24.0, show_default=True, help="How far back.")
@click.option("--all", "everything", is_flag=True, help="What was delivered too, not only what is dead.")
def replayed(endpoint: str, hours: float, everything: bool) -> None:
    """Queue messages for ENDPOINT once more, and enable it again if it was disabled. Ids stay the same."""
    from monitor import wiring

    since = wiring.clock() - timedelta(hours=hours)
    count = wiring.outbox().replay(endpoint, since=since, everything=everything, at=wiring.clock())
    click.echo(f"{count} messages queued for {endpoint}")
