"""``python -m benchmarks.builds``: what canaries, drift and the guard say of each build of the demo's model, and when.

The demo's own site: a real broker, Postgres, worker, guard and canaries. After a reference each build is put into
service for at most ``--most`` questions, and then the good one again until all alerts are resolved.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from monitor.demo import findings
from monitor.demo.acts import Act, clear, learned
from monitor.demo.crowd import Crowd, Questions, asking_crowd
from monitor.demo.deployments import CUT, GOOD, NAME, Deployment
from monitor.demo.screen import Screen, opened
from monitor.demo.stage import Stage, staged
from monitor.demo.story import PANE, Played, played, row
from monitor.inference.shipped import ASSISTANT
from monitor.inference.variants import Recipe, make_variant

RECIPES: Mapping[str, Recipe] = {
    "int8": Recipe("int8"),
    "int4, blocks of 32": Recipe("int4", 32),
    "int4, blocks of 256": Recipe("int4", 256),
    "wrong adapter": Recipe("fp16", adapter=ASSISTANT / "adapters" / "other-product"),
}
CUT_NAME = "truncated template"


def deployments(folder: Path, names: Sequence[str]) -> list[Deployment]:
    """The builds of these names, made where they are not the shipped one."""
    made = []
    for name in names:
        if name == CUT_NAME:
            made.append(CUT)
            continue
        target = folder / name.replace(" ", "-").replace(",", "")
        make_variant(ASSISTANT, target, RECIPES[name])
        made.append(Deployment(name, target))
    return made


def story(builds: Mapping[str, Deployment], most: int) -> list[Act]:
    """Each build between two times of the good one; ended early by alerts of drift and of the canaries."""
    acts = [Act("fp16", "The good build, and its reference.", learned, "a reference", 5 * most)]
    for name, build in builds.items():
        acts.append(
            Act(
                name,
                f"{name} in service.",
                lambda seen: bool(seen.drifts) and bool(seen.canaries),
                "drift and canaries",
                most,
                least=200,
                deployment=build,
            )
        )
        acts.append(Act("fp16 again", "The good build again.", clear, "resolved", 5 * most, deployment=GOOD))
    return acts


def watch(stage: Stage, screen: Screen, options: argparse.Namespace) -> list[Played]:
    stage.serve(GOOD)
    stage.send_canaries()
    crowd = Crowd(
        f"{stage.places.worker_url}/v1",
        NAME,
        Questions(stage.pages, np.random.default_rng(options.seed)),
        stage.library,
        lambda: findings.stored(stage.reader),
    )
    builds = dict(zip(options.builds, deployments(stage.folder, options.builds), strict=True))
    with asking_crowd(crowd):
        return [played(act, stage, crowd, screen) for act in story(builds, options.most)]


def main() -> None:
    names = [*RECIPES, CUT_NAME]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--builds", nargs="+", metavar="BUILD", choices=names, default=names, help=", ".join(names))
    parser.add_argument("--reference", type=int, default=1000, help="traces that teach what is usual")
    parser.add_argument("--most", type=int, default=800, help="questions to each build")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with opened(sys.stdout, colour=True) as screen, staged(screen.say, reference=options.reference, pane=PANE) as stage:
        rows = [row(each) for each in watch(stage, screen, options)]
        screen.settle()
    for place, each in enumerate(rows):
        if not place:
            print("", "| " + " | ".join(each) + " |", "|" + "---|" * len(each), sep="\n")
        print("| " + " | ".join(map(str, each.values())) + " |")


if __name__ == "__main__":
    main()
