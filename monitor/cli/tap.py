"""The tap."""

from __future__ import annotations

from typing import Any

import click


def address(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    from monitor.tap.config import TapConfig

    try:
        TapConfig(upstream=value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error
    return value


@click.command()
@click.option("--upstream", callback=address, help="The server behind it, such as http://127.0.0.1:8000.")
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one.")
@click.option(
    "--top-logprobs", type=click.IntRange(0, 20), help="Alternatives per token to ask for and to trace; 5 by default."
)
@click.option(
    "--timeout-s", type=click.FloatRange(0, 86400, min_open=True), help="How long the upstream may be silent."
)
@click.option("--name", help="What traces call the model; by default what its replies say.")
@click.option("--version", help="Of the deployment, for the build that traces name; by default its fingerprint.")
def tap(**given: Any) -> None:
    """Stand before any OpenAI-compatible server (vLLM, SGLang, TGI, ...), pass all requests on, and publish a trace of
    every answer.

    Asks the server for log-probabilities and takes them out of the reply again where the client asked for none. Its own
    are POST /v1/feedback, /metrics, /livez and /readyz; all else is the server's. Every option is a setting of the same
    name, DRIFTWARDEN_TAP__UPSTREAM and so on; see docs/tap.md.
    """
    from monitor import wiring

    chosen = {name: value for name, value in given.items() if value is not None}
    wiring.run_role("tap", wiring.Stop().listen(), **chosen)
