"""The guard: its service, and trying a policy on one exchange."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click


@click.group(invoke_without_command=True)
@click.option(
    "--policy",
    "policies",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A policy file; those of the settings unless given. The first holds unless a request names another.",
)
@click.pass_context
def guard(context: click.Context, policies: tuple[Path, ...]) -> None:
    """Check exchanges against a policy. Without a command: serve.

    The service answers POST /v1/guard/check, LiteLLM's /beta/litellm_basic_guardrail_api, OpenAI's /v1/moderations,
    /metrics, /livez and /readyz at DRIFTWARDEN_GUARD__HOST and __PORT.
    """
    context.obj = policies
    if context.invoked_subcommand is None:
        from monitor import wiring

        wiring.run_role("guard", wiring.Stop().listen(), policies=policies)


@guard.command()
def example() -> None:
    """Print a policy to begin with."""
    from importlib import resources

    click.echo((resources.files("monitor.guard") / "example.yaml").read_text(encoding="utf-8"), nl=False)


@guard.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True), required=False)
@click.option("--prompt", help="What is asked.")
@click.option("--response", help="What is answered; without it the prompt alone is checked.")
@click.option("--context", "passages", multiple=True, help="A passage the answer should rest on.")
@click.option("--policy", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="A policy file.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
@click.pass_obj
def check(
    given: tuple[Path, ...],
    file: Path | None,
    prompt: str | None,
    response: str | None,
    passages: tuple[str, ...],
    policy: Path | None,
    form: str,
) -> None:
    """Check one exchange and say what each rule made of it; ends with 1 where it is to be stopped.

    FILE holds a request as POST /v1/guard/check takes it, or a trace; - is standard input. Policies are those of
    --policy, else of the settings, else the example.
    """
    from monitor import wiring
    from monitor.model.check import CheckRequest, Message

    engine = wiring.guard_engine([policy] if policy else given)
    try:
        if file is not None:
            requests = requests_of(file)
        elif prompt is not None or response is not None:
            asked = [Message("user", prompt or "")]
            requests = [CheckRequest("input", asked, context=list(passages))] if prompt is not None else []
            if response is not None:
                requests.append(CheckRequest("output", asked, response, list(passages)))
        else:
            raise click.UsageError("expected FILE, --prompt or --response")
        decisions = [engine.check(request) for request in requests]
    finally:
        engine.close()
    for decision in decisions:
        show(decision, form)
    if any(decision.verdict in ("abstain", "deny") for decision in decisions):
        click.get_current_context().exit(1)


def requests_of(file: Path) -> list[Any]:
    """The requests of a file: as it stands, or both stages of a trace."""
    import msgspec

    from monitor.model.check import CheckRequest, requests_of_trace
    from monitor.model.trace import Trace

    body = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    try:
        plain = msgspec.json.decode(body)
        if isinstance(plain, dict) and "stage" in plain:
            return [msgspec.convert(plain, CheckRequest)]
        return requests_of_trace(msgspec.json.decode(body, type=Trace))
    except msgspec.MsgspecError as error:
        raise click.ClickException(f"{file}: neither a request nor a trace: {error}") from error


def show(decision: Any, form: str) -> None:
    if form == "json":
        import msgspec

        click.echo(msgspec.json.encode(decision).decode())
        return
    colour = {"allow": "green", "warn": "yellow"}.get(decision.verdict, "red")
    late = ", degraded" if decision.degraded else ""
    click.echo(
        f"{decision.stage:6} {click.style(decision.verdict, fg=colour)} ({decision.action}{late}) by policy"
        f" {decision.policy} {decision.policy_hash} in {decision.latency_s * 1000:.1f} ms"
    )
    for found in decision.findings:
        score = "not measured" if found.score is None else f"{found.score:.3f}"
        least = "" if found.threshold is None else f" ≥ {found.threshold:g}"
        places = "".join(f" [{start}, {end})" for start, end in found.spans[:5])
        where = f", {found.part}{places}" if found.part else ""
        click.echo(f"  {found.rule}: {score}{least}, {found.mode}: {found.verdict}{where}")
    for each in decision.unmeasured:
        click.echo(f"  {each.rule}: {'error: ' if each.error else ''}{each.reason}")
    if decision.replacement is not None:
        click.echo(f"  said instead: {decision.replacement}")
