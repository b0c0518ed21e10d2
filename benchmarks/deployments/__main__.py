"""Does an alert name the right cause? ``python -m benchmarks.deployments [--runs 10]``.

Every change is injected into simulated traffic, which goes through the product's own flow. Printed: which cause was
ranked first for each change, in the first message and once the alert had settled; how often a change of traffic alone
was laid to the model or its deployment; and the sentences.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from benchmarks.deployments.changes import CHANGES, NULLS, ONLY_REAL, REAL
from benchmarks.deployments.site import SIMULATED, Run, run
from benchmarks.deployments.texts import real_source

KINDS = (
    "build", "adapter", "prompt_template", "cache", "model", "engine", "service", "traffic_mix", "new_topic", "tenant",
    "unexplained",
)  # fmt: skip
EVERY = {**CHANGES, **NULLS}
BLAME = ("build", "adapter", "prompt_template", "cache", "model", "engine", "service")


def right(found: Run, listed: Sequence[Any]) -> bool:
    """Whether the cause of the change is ranked first, by kind and name."""
    return bool(listed) and (listed[0]["kind"], listed[0]["name"]) == found.expected


def blamed(listed: Sequence[Any]) -> bool:
    """Whether a model or deployment is named at all, at any rank."""
    return any(cause["kind"] in BLAME for cause in listed)


def table(runs: Sequence[Run], *, settled: bool) -> None:
    """One row per change: causes ranked first, right by kind and name; runs without an alert, or with an early one."""
    print(f"{'change':30s}{'right':>8s}  " + "".join(f"{name[:11]:>12s}" for name in (*KINDS, "no alert", "early")))
    for name in dict.fromkeys(each.change for each in runs):
        every = [each for each in runs if each.change == name]
        mine = [each for each in every if each.traces is not None]
        listed = [each.settled if settled else each.first for each in mine]
        first = Counter(told[0]["kind"] if told else "unexplained" for told in listed)
        first["early"] = sum(each.early for each in every)
        first["no alert"] = len(every) - len(mine) - first["early"]
        good = sum(right(each, told) for each, told in zip(mine, listed, strict=True))
        told = "".join(f"{first[name] or '':>12}" for name in (*KINDS, "no alert", "early"))
        print(f"{name:30s}{good:4d}/{len(mine):<3d}  {told}")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser("python -m benchmarks.deployments", description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="of each change")
    parser.add_argument(
        "--only", metavar="CHANGE", nargs="+", choices=EVERY, default=list(EVERY), help=f"of: {', '.join(EVERY)}"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the first run of each change")
    parser.add_argument("--real", action="store_true", help="questions and answers of RAGTruth, not simulated ones")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once")
    arguments = parser.parse_args()
    began = time.monotonic()
    asked = [
        (name, 1_000 * place + arguments.seed + number, arguments.real)
        for place, name in enumerate(EVERY)
        if name in arguments.only and (name in REAL if arguments.real else name not in ONLY_REAL)
        for number in range(arguments.runs)
    ]
    with ProcessPoolExecutor(arguments.jobs) as pool:
        runs = [told(found) for found in pool.map(one, *zip(*asked, strict=True))]
    report(runs)
    print(f"{len(runs)} runs in {time.monotonic() - began:.0f} s")


def one(name: str, seed: int, real: bool) -> Run:
    """One run of a change."""
    return run(name, EVERY[name][0], seed, source=real_source() if real else SIMULATED)


def told(found: Run) -> Run:
    """Prints what came of a run."""
    state = "an alert before the change" if found.early else f"after {found.traces} traces"
    print(f"{found.change}, seed {found.seed}, {state}: {found.summary}", flush=True)
    for cause in found.settled:
        print(f"    {cause['kind']} {cause['name']}: share {cause['share']:.2f}, p {cause['p_value']:.1e}")
    return found


def report(runs: Sequence[Run]) -> None:
    """The tables and what they come to."""
    planted = [each for each in runs if each.change in CHANGES]
    found = [each for each in planted if each.traces is not None]
    traffic = [each for each in found if CHANGES[each.change][1]]
    for title, settled in (("first message", False), ("settled", True)):
        print(f"\nCause ranked first, {title}:")
        table(runs, settled=settled)
        good = sum(right(each, each.settled if settled else each.first) for each in found)
        listed = [each.settled if settled else each.first for each in traffic]
        first = sum(bool(told) and told[0]["kind"] in BLAME for told in listed)
        print(f"right cause first: {good}/{len(found)}")
        print(f"changes of traffic laid to a model or deployment: {first}/{len(traffic)} first, "
              f"{sum(map(blamed, listed))}/{len(traffic)} at any rank")  # fmt: skip
    for title, place in (("at first", 0), ("settled", 1)):
        quiet = sum(not each.paged[place] for each in traffic)
        silent = sum(not each.paged[place] for each in found if each not in traffic)
        print(f"{title}: changes of traffic that paged nobody {quiet}/{len(traffic)}, "
              f"other changes that paged nobody {silent}/{len(found) - len(traffic)}")  # fmt: skip
    missed = sum(each.traces is None and not each.early for each in planted)
    early = sum(each.early for each in runs)
    print(f"\nno alert: {missed}/{len(planted)}; alerts before the change: {early}/{len(runs)}")
    nulls = [each for each in runs if each.change in NULLS]
    alerts = [each for each in nulls if each.traces is not None]
    named = sum(bool(each.first) and each.first[0]["kind"] != "unexplained" for each in alerts)
    print(f"nothing changed: {len(alerts)}/{len(nulls)} alerts, of which {named} name a cause")


if __name__ == "__main__":
    main()
