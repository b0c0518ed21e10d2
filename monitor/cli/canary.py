"""Golden prompts at the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from monitor.cli.output import FORMATS, Format, show
from monitor.errors import Permanent

TEXT = 60  # characters of a prompt or an answer

ENDPOINT = (
    click.option("--url", help="Before /chat/completions: http://127.0.0.1:8323/v1. [DRIFTWARDEN_CANARY__URL]"),
    click.option("--model", help="Its name there; the only one that the endpoint lists unless given."),
    click.option("--target", help="What alerts and views call it; the model's name unless given."),
    click.option("--repeats", type=int, help="Answers to each prompt that make the reference. [default: 5]"),
)


def endpoint(command: Any) -> Any:
    """The options of commands that send prompts."""
    for option in reversed(ENDPOINT):
        command = option(command)
    return command


@click.group(invoke_without_command=True)
@click.pass_context
def canary(context: click.Context) -> None:
    """Send golden prompts to an endpoint, and notice when their answers change. Without a command: as the settings say.

    Any endpoint of OpenAI's chat completions: log-probabilities of the first tokens, answers and their quality are
    compared with those of the build that was pinned, after every prompt.
    """
    if context.invoked_subcommand is None:
        from monitor import wiring

        wiring.run_role("canary", wiring.Stop().listen())


@canary.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True), required=False)
@click.option("--prompt", help="What is asked, in place of a file.")
@click.option("--system", help="The system's message before it.")
@click.option("--expected", multiple=True, help="A right answer.")
@click.option("--context", "passages", multiple=True, help="A passage the answer should rest on.")
@click.option("--name", help="What it is called; by default a hash of its content.")
@click.option("--max-tokens", type=click.IntRange(1, 4096), help="Of its answer.")
def add(
    file: Path | None,
    prompt: str | None,
    system: str | None,
    expected: tuple[str, ...],
    passages: tuple[str, ...],
    name: str | None,
    max_tokens: int | None,
) -> None:
    """Add golden prompts, or change those of the same name: from FILE, or one by options.

    FILE has a prompt on each line, or a JSON object: {"prompt": "How long do refunds take?", "name": "refunds",
    "expected": ["Five days."], "context": ["Refunds take five days."], "system": …, "max_tokens": 64}, or "messages"
    as OpenAI has them in place of "prompt".
    """
    from monitor import wiring
    from monitor.canaries import prompts

    if (file is None) == (prompt is None):
        raise click.UsageError("expected one of FILE and --prompt")
    if file is not None:
        if system or expected or passages or name or max_tokens:
            raise click.UsageError("with FILE these stand in its lines: system, expected, context, name, max_tokens")
        with click.open_file(str(file), encoding="utf-8") as lines:
            found = prompts.read(lines.read())
    else:
        try:
            given = prompts.Line(
                prompt=prompt, system=system, name=name, max_tokens=max_tokens, context=list(passages),
                expected=list(expected),
            )  # fmt: skip
            found = [prompts.canary(given)]
        except ValueError as error:
            raise Permanent(str(error)) from error
    if not found:
        raise Permanent(f"{file}: expected a prompt on each line, got none")
    store = wiring.canary_store()
    total = len({each.name for each in store.canaries()} | {each.name for each in found})
    if total > prompts.MOST:
        raise Permanent(f"expected at most {prompts.MOST} golden prompts in all, got {total}")
    new, changed = store.add(found, wiring.clock())
    click.echo(f"{new} added, {changed} changed, {len(found) - new - changed} as they were; {total} in all")


@canary.command("list")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
def listed(form: Format) -> None:
    """The golden prompts."""
    from monitor import wiring

    rows = (
        {
            "name": each.name, "prompt": shortened(each.prompt, form), "expected": list(each.expected),
            "passages": len(each.context), "max_tokens": each.max_tokens,
        }
        for each in wiring.canary_store().canaries()
    )  # fmt: skip
    show(rows, form)


@canary.command()
@click.argument("names", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="All of them.")
def remove(names: tuple[str, ...], everything: bool) -> None:
    """Remove golden prompts by name; the answers to them stay."""
    from monitor import wiring

    if everything == bool(names):
        raise click.UsageError("expected names, or --all")
    removed = wiring.canary_store().remove(None if everything else names)
    if not everything and removed < len(set(names)):
        raise Permanent(f"removed {removed} of {len(set(names))}: the others are not there")
    click.echo(f"{removed} removed")


@canary.command()
@endpoint
def pin(**given: Any) -> None:
    """Make what the endpoint says now the reference: every prompt is sent --repeats times, at once.

    An open alert about the target ends as accepted.
    """
    from monitor import wiring
    from monitor.canaries.running import pin as pin_now

    stop = wiring.Stop().listen()
    with wiring.sending(stop, given) as (canaries, pace):
        pin_now(canaries, pace)
        click.echo(f"{canaries.begin()} is pinned")


@canary.command()
@endpoint
@click.option("--every", "every_s", type=float, help="Seconds between two prompts. [default: 60]")
@click.option("--count", type=click.IntRange(min=1), help="End after so many prompts.")
@click.option("--once", is_flag=True, help="End when every prompt was sent.")
@click.option("--pin", "pinned", is_flag=True, help="Pin what the endpoint says now first.")
@click.option("--fail-on-change", is_flag=True, help="End with 1 where a change is reported.")
def run(count: int | None, once: bool, pinned: bool, fail_on_change: bool, **given: Any) -> None:
    """Send golden prompts in turn until stopped, and compare the answers with the reference.

    Where there is no reference, the first --repeats answers to each prompt become it.
    """
    from monitor import wiring
    from monitor.canaries.running import NO_PROMPTS
    from monitor.canaries.running import pin as pin_now
    from monitor.canaries.running import run as send

    if once and count is not None:
        raise click.UsageError("expected one of --count and --once")
    if fail_on_change and not (once or count):
        raise click.UsageError("--fail-on-change: expected --count or --once with it")
    stop = wiring.Stop().listen()
    with wiring.sending(stop, given) as (canaries, pace):
        if pinned:
            pin_now(canaries, pace)
        if once:
            count = len(canaries.store.canaries())
            if not count:
                raise Permanent(NO_PROMPTS)
        found = send(canaries, pace, count=count)
        target = canaries.begin() if found["ok"] else canaries.config.target
    told = ", ".join(f"{status} {times}" for status, times in found.most_common()) or "none"
    click.echo(f"canaries: {told}")
    if fail_on_change and target is not None and changed(target):
        raise click.exceptions.Exit(1)


@canary.command()
@click.option("--target", help="Only this one.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="table", show_default=True)
def status(target: str | None, form: Format) -> None:
    """The golden prompts of each target: pinned beside now, and the evidence of a change (an alert starts at 1)."""
    from monitor import wiring

    reader = wiring.reader()
    if form != "table":
        show(reader.rows(f"SELECT * FROM v_canaries {CHOSEN} ORDER BY target, canary", {"target": target}), form)
        return
    show(reader.rows(TARGETS, {"target": target}), form, title="Targets")
    click.echo()
    texts = ("prompt", "pinned", "now")
    rows = reader.rows(PROMPTS, {"target": target})
    show(({k: shortened(v, form) if k in texts else v for k, v in row.items()} for row in rows), form, title="Prompts")


CHOSEN = "WHERE CAST(:target AS text) IS NULL OR target = :target"
TARGETS = f"""
    SELECT target, CASE WHEN bool_or(state = 'changed') THEN 'changed' WHEN bool_and(state = 'learning') THEN 'learning'
        ELSE 'watched' END AS state, max(evidence) AS evidence, min(since) AS changed_since, count(*) AS prompts,
        min(pinned_at) AS pinned_at, max(pinned_build) AS pinned_build,
        (array_agg(build ORDER BY at DESC NULLS LAST))[1] AS build, max(sent_at) AS sent_at,
        (array_agg(status ORDER BY sent_at DESC NULLS LAST))[1] AS status,
        (array_agg(reason ORDER BY sent_at DESC NULLS LAST))[1] AS reason
    FROM v_canaries {CHOSEN} GROUP BY target ORDER BY target
"""
PROMPTS = f"""
    SELECT target, canary, prompt, state, shift, pinned_answer AS pinned, answer AS now, answer_changed AS differs,
        pinned_token_f1 AS pinned_f1, token_f1 AS f1, status, sent_at
    FROM v_canaries {CHOSEN} ORDER BY target, canary
"""


def shortened(text: str | None, form: Format) -> str | None:
    return text if text is None or form != "table" or len(text) <= TEXT else f"{text[:TEXT]}…"


def changed(target: str) -> bool:
    """Whether a change of the target is reported."""
    from monitor import wiring

    sql = "SELECT 1 FROM v_canaries WHERE target = :target AND state = 'changed' LIMIT 1"
    return any(wiring.reader().rows(sql, {"target": target}))
