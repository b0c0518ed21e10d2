"""``python -m benchmarks.canary``: swaps of the build behind a real worker, and none.

A worker serves the shipped model; golden prompts are pinned on one build, and then another one answers under the same
name. Builds are made by what ``driftwarden models quantize`` runs, answers are kept in a real Postgres, and the name of
the build is not looked at. With ``--company`` other requests share the steps of the model all the while.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.canary.endpoint import company, served
from benchmarks.canary.golden import golden
from monitor.canaries.client import CanaryClient
from monitor.canaries.config import CanaryConfig
from monitor.canaries.running import Canaries, Pace, pin
from monitor.dev import postgres
from monitor.inference.shipped import ASSISTANT
from monitor.inference.variants import Recipe, make_variant
from monitor.judging import new_id
from monitor.storage.canaries import PostgresCanaryStore
from monitor.storage.engine import connect
from monitor.storage.migrate import migrate
from monitor.storage.reader import PostgresReader
from monitor.wiring.canaries import quality
from monitor.wiring.parts import clock

MOST = 100


@dataclass(frozen=True, slots=True)
class Build:
    """How it is made; None is the shipped model as it is."""

    recipe: Recipe | None = None
    template: Path | None = None


BUILDS = {
    "fp16": Build(),
    "int8": Build(Recipe("int8")),
    "int4": Build(Recipe("int4")),
    "wrong adapter": Build(Recipe("fp16", adapter=ASSISTANT / "adapters" / "other-product")),
    "truncated template": Build(template=ASSISTANT / "chat_template.truncated.jinja"),
}


@dataclass(frozen=True, slots=True)
class Bench:
    """Where builds lie and answers are kept."""

    folder: Path
    store: PostgresCanaryStore
    reader: PostgresReader
    clients: int

    @contextmanager
    def asking(self, name: str, target: str) -> Iterator[Canaries]:
        """Canaries to a build, in company where there is to be some."""
        build = BUILDS[name]
        folder = ASSISTANT if build.recipe is None else self.folder / name.replace(" ", "-")
        if build.recipe is not None and not folder.exists():
            make_variant(ASSISTANT, folder, build.recipe)
        asked = self.store.canaries()
        with served(folder, build.template) as url:
            others = company(url, asked, self.clients) if self.clients else nullcontext()
            client = CanaryClient(CanaryConfig(url=url, target=target), time.perf_counter)
            with others:
                yield Canaries(self.store, client, client.config, quality, clock, lambda _event: None, new_id)
            client.close()

    def until_changed(self, canaries: Canaries, most: int) -> int | None:
        """After how many canaries a change is reported; None where it is not."""
        target = canaries.begin()
        sql = "SELECT bool_or(state = 'changed') AS changed FROM v_canaries WHERE target = :target"
        for number in range(1, most + 1):
            told = canaries.turn()
            assert told is not None
            assert told.answer.status == "ok", told.answer
            if next(iter(self.reader.rows(sql, {"target": target})))["changed"]:
                return number
        return None

    def summary(self, target: str) -> str:
        sql = "SELECT summary FROM v_alerts WHERE segment = :segment ORDER BY fired_at DESC LIMIT 1"
        return str(next(iter(self.reader.rows(sql, {"segment": f"canary={target}"})))["summary"])


def at_once() -> Pace:
    return Pace(0.0, lambda: False, time.sleep, time.perf_counter)


def swaps(bench: Bench, before: str, repeats: int) -> None:
    """Each other build after one that was pinned."""
    for after in [name for name in BUILDS if name != before]:
        counts = []
        for number in range(repeats):
            target = f"{before} → {after} {number}"
            with bench.asking(before, target) as canaries:
                pin(canaries, at_once())
            with bench.asking(after, target) as canaries:
                counts.append(bench.until_changed(canaries, MOST))
        told = ", ".join("not found" if count is None else str(count) for count in counts)
        print(f"| {before} | {after} | {told} | {bench.summary(target)} |", flush=True)


def null(bench: Bench, name: str, count: int, then: str) -> None:
    """No swap for so many canaries, and one after them."""
    target = f"{name} stays"
    with bench.asking(name, target) as canaries:
        pin(canaries, at_once())
        began = time.perf_counter()
        found = bench.until_changed(canaries, count)
        took_s = time.perf_counter() - began
    told = "no alert" if found is None else f"alert after {found}: {bench.summary(target)}"
    (row,) = bench.reader.rows(NOISE, {"target": target})
    moved = f"{row['moved']:.0%} beyond the floor, by {row['shift'] or 0:.2g} nats in the median"
    noise = f"{moved}; {row['changed']:.1%} of the answers differ"
    print(f"{name}: {count} canaries, {told} ({noise}; {took_s:.0f} s)", flush=True)
    if found is None:
        with bench.asking(then, target) as canaries:
            later = bench.until_changed(canaries, MOST)
        print(f"  then {then}: found after {later or 'more than ' + str(MOST)} canaries", flush=True)


def loaded(bench: Bench, name: str) -> None:
    """Pinned alone, and then asked in company: noise that the reference knows nothing of."""
    target = f"{name} alone, then in company"
    with replace(bench, clients=0).asking(name, target) as canaries:
        pin(canaries, at_once())
    with bench.asking(name, target) as canaries:
        found = bench.until_changed(canaries, MOST)
    print(f"{target}: {'no alert in ' + str(MOST) if found is None else 'reported after ' + str(found)}", flush=True)


NOISE = """
    SELECT avg((shift > 0.001)::int)::float AS moved, percentile_disc(0.5) WITHIN GROUP (ORDER BY shift)
        FILTER (WHERE shift > 0.001) AS shift, avg(changed::int)::float AS changed
    FROM v_canary_results WHERE target = :target AND NOT pinned
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--company", type=int, default=0, help="clients beside the canaries")
    parser.add_argument("--pinned", nargs="*", default=["fp16"], help="builds to pin")
    parser.add_argument("--repeats", type=int, default=1, help="swaps of each kind")
    parser.add_argument("--null", type=int, default=1000, help="canaries without a swap")
    parser.add_argument("--then", default="int4", help="the build after those")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="driftwarden-canary-"))
    try:
        engine = connect(postgres.start(folder / "postgres", settings={"fsync": "off"}))
        migrate(engine)
        bench = Bench(folder, PostgresCanaryStore(engine), PostgresReader(engine), options.company)
        bench.store.add(golden(options.prompts, options.seed), clock())
        print(f"{options.prompts} prompts, {options.company} clients beside\n")
        for build in options.pinned:
            swaps(bench, build, options.repeats)
            if options.null:
                null(bench, build, options.null, options.then if options.then != build else "int8")
            if options.company:
                loaded(bench, build)
        engine.dispose()
    finally:
        postgres.stop(folder / "postgres")
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
