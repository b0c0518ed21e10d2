"""``python -m benchmarks.assistant``: held-out questions, build by build, answered and judged.

Builds are made from the shipped model by what ``driftwarden models quantize`` runs.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from benchmarks.assistant.answering import Answer, Answerer
from benchmarks.assistant.figures import figures
from benchmarks.assistant.reworded import reworded
from detectors.groundedness import Model
from monitor.inference.grounding import shipped_grounding
from monitor.inference.shipped import ASSISTANT
from monitor.inference.variants import Recipe, make_variant
from training.assistant.corpus import Exchange, exchanges, orrelbox

TEMPLATE = "chat_template.jinja"
TRUNCATED = "chat_template.truncated.jinja"
HEADER = (
    "build",
    "exact",
    "F1",
    "abstains rightly",
    "abstains",
    "grounding",
    "ungrounded",
    "nats/token",
    "ends",
    "tokens/CPU s",
)


@dataclass(frozen=True, slots=True)
class Build:
    name: str
    recipe: Recipe | None
    template: str = TEMPLATE


BUILDS = (
    Build("fp16", None),
    Build("int8", Recipe("int8")),
    Build("int4, blocks of 32", Recipe("int4", 32)),
    Build("int4, blocks of 256", Recipe("int4", 256)),
    Build("wrong adapter", Recipe("fp16", adapter=ASSISTANT / "adapters" / "other-product")),
    Build("truncated template", None, TRUNCATED),
)


def answerer(build: Build, scratch: Path, shipped: Path) -> Answerer:
    """The build, made where it is not the shipped one and was not made before."""
    folder = shipped if build.recipe is None else scratch / build.name.replace(" ", "-")
    if not folder.exists() and build.recipe is not None:
        make_variant(shipped, folder, build.recipe)
    return Answerer.load(folder, folder / build.template)


def measure(rows: Sequence[Exchange], build: Answerer, grounder: Model) -> tuple[list[Answer], dict[str, float]]:
    began = time.process_time()  # one thread: what else the machine does does not count
    answers = build.answers(rows)
    took = time.process_time() - began
    speed = sum(len(answer.logprob) for answer in answers) / took
    return answers, asdict(figures(rows, answers, grounder)) | {"tokens_cpu_s": speed}


def line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=ASSISTANT)
    parser.add_argument("--questions", type=int, default=500, help="of each set")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--builds", nargs="*", default=[build.name for build in BUILDS])
    parser.add_argument("--show", type=int, default=0, help="print some answers of each build")
    parser.add_argument("--json", type=Path, help="write the figures to a file")
    options = parser.parse_args()
    sets = {
        "products with new names and values": list(exchanges("held-out", options.seed, options.questions)),
        "the demo's own pages": list(orrelbox(options.seed, options.questions)),
        "the demo's own pages, asked in other words": list(reworded(options.seed)),
    }
    grounder = shipped_grounding()
    told: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, rows in sets.items():
            print(f"\n{name}: {len(rows)} questions, {sum(row.answerable for row in rows)} of them answerable\n")
            print(line(HEADER), line(["---"] * len(HEADER)), sep="\n")
            for build in [each for each in BUILDS if each.name in options.builds]:
                answers, found = measure(rows, answerer(build, Path(scratch), options.model), grounder)
                told.setdefault(name, {})[build.name] = found
                print(line([build.name, *(f"{value:.3f}" for value in found.values())]), flush=True)
                for row, answer in list(zip(rows, answers, strict=True))[: options.show]:
                    print(f"  Q {row.question}\n  = {row.answer}\n  A {answer.text}")
    if options.json:
        options.json.write_bytes(msgspec.json.format(msgspec.json.encode(told), indent=2))


if __name__ == "__main__":
    main()
