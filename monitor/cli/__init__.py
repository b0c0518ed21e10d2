"""The command line; each command is imported when it is called, so that ``--help`` answers at once."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from monitor.errors import DriftwardenError, Permanent

COMMANDS: Mapping[str, tuple[str, str]] = {
    "run": ("monitor.cli.roles:run", "Run everything: consume, judge, notify and serve."),
    "consume": ("monitor.cli.roles:consume", "Read traces from Kafka, score and store them."),
    "judge": ("monitor.cli.roles:judge", "Judge closed panes for drift and raise alerts."),
    "notify": ("monitor.cli.roles:notify", "Deliver alerts to webhooks."),
    "serve": ("monitor.cli.roles:serve", "Answer the API, /metrics and health checks."),
    "guard": ("monitor.cli.guard:guard", "Check exchanges against a policy: as a service, or one by one."),
    "worker": ("monitor.cli.worker:worker", "Serve a language model over OpenAI's API, and publish its traces."),
    "tap": ("monitor.cli.tap:tap", "Publish traces of any OpenAI-compatible server by standing before it."),
    "canary": ("monitor.cli.canary:canary", "Send golden prompts, and notice when their answers change."),
    "migrate": ("monitor.cli.operate:migrate", "Bring the database schema up to date."),
    "doctor": ("monitor.cli.doctor:doctor", "Check settings, database, broker, model and packages."),
    "import": ("monitor.cli.import_:import_command", "Publish past prompts and answers from a file."),
    "reference": ("monitor.cli.reference:reference", "List, show and pin what now is compared with."),
    "drift": ("monitor.cli.drift:drift", "Compare two builds, two ranges of time or two files."),
    "report": ("monitor.cli.report:report", "Write a report by Evidently."),
    "replay": ("monitor.cli.replay:replay", "Judge stored panes again, under another budget if you like."),
    "query": ("monitor.cli.query:query", "Ask the drift database in SQL."),
    "alerts": ("monitor.cli.alerts:alerts", "List, show and acknowledge alerts."),
    "feedback": ("monitor.cli.feedback:feedback", "Bring in and list what people said of answers."),
    "export": ("monitor.cli.export:export", "Write preference pairs and flagged answers for fine-tuning."),
    "calibrate": ("monitor.cli.calibrate:calibrate", "Turn scores into probabilities by what people said."),
    "certify": ("monitor.cli.calibrate:certify", "Find a threshold that keeps a promise."),
    "backtest": ("monitor.cli.backtest:backtest", "Say what a policy would have done to stored traces."),
    "rejects": ("monitor.cli.rejects:rejects", "List and replay records that were set aside."),
    "webhook": ("monitor.cli.webhook:webhook", "Test endpoints, replay deliveries, make a secret."),
    "schema": ("monitor.cli.operate:schema", "Print the JSON Schema of the trace record."),
    "models": ("monitor.cli.models:models", "Build the sentence encoder; quantize a language model."),
    "dev": ("monitor.cli.dev:dev", "Start and stop a local Postgres and Kafka."),
    "demo": ("monitor.cli.demo:demo", "Watch a bad deployment being caught."),
}
# The exit code of a wrong setting, by which a supervisor knows not to start again (EX_CONFIG of sysexits.h).
WRONG_SETTING = 78


class Commands(click.Group):
    """Commands by name, in the order of the table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="driftwarden", prog_name="driftwarden")
def group() -> None:
    """Notices when an LLM service changes its behaviour, says what changed, and pages once.

    Settings come from the environment (DRIFTWARDEN_SECTION__NAME) and from driftwarden.toml.
    """


def main(arguments: list[str] | None = None, **options: Any) -> None:
    """Runs the command line; errors meant for a person end it with a sentence."""
    try:
        # Outside its standalone mode click returns the exit code that a command asked for.
        code = group.main(arguments, standalone_mode=False, prog_name="driftwarden", **options)
        if isinstance(code, int) and code:
            sys.exit(code)
    except click.exceptions.Exit as ended:
        sys.exit(ended.exit_code)
    except click.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Permanent as error:
        click.echo(f"driftwarden: {error}", err=True)
        sys.exit(WRONG_SETTING)
    except DriftwardenError as error:
        click.echo(f"driftwarden: {error}", err=True)
        sys.exit(1)
