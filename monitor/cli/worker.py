"""The worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("model", type=click.Path(path_type=Path, file_okay=False), required=False)
@click.option("--name", help="What requests call the model; by default what its build.json says, or its folder.")
@click.option("--host", help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on; 0 takes a free one.")
@click.option("--provider", type=click.Choice(["cpu", "cuda"]), help="Where the model runs, and nowhere else.")
@click.option("--fallback/--no-fallback", default=None, help="With cuda: start on the CPU where there is no GPU.")
@click.option("--slots", type=click.IntRange(1, 1024), help="Answers that grow at the same time.")
@click.option("--guard", help="off, inside (the policies of the settings) or the address of a guard.")
@click.option(
    "--template", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="A chat template of your own."
)
def worker(model: Path | None, **given: Any) -> None:
    """Serve the ONNX language model in the folder MODEL over OpenAI's API, and publish a trace of every answer.

    Answers POST /v1/chat/completions, /v1/completions and /v1/feedback, GET /v1/models, /metrics, /livez and /readyz
    at DRIFTWARDEN_WORKER__HOST and __PORT. Without MODEL the folder is DRIFTWARDEN_WORKER__MODEL. Every option is a
    setting of the same name; see docs/worker.md. "assistant" is the demo's model.
    """
    from monitor import wiring

    chosen: dict[str, Any] = {name: value for name, value in {"model": model, **given}.items() if value is not None}
    wiring.run_role("worker", wiring.Stop().listen(), **chosen)
