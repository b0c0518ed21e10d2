"""Kills without number, and the count of what was lost and what was stored twice.

    python -m benchmarks.delivery [--kills 200] [--zombies 8] [--ablation] [--keep FOLDER]

A real broker and a real Postgres, both crashed on the way; two consumers that kill themselves at every point of a batch
in turn. With ``--ablation`` the offsets are set without being compared and the tables have no unique keys: what is then
stored twice shows what the compare-and-set is for.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from monitor.dev import kafka, postgres
from tests.delivery.fleet import falls
from tests.delivery.harness import Outcome, Plan, Services, Site
from tests.delivery.worker import POINTS

# A process that dies loses no page of the system's cache, so crashes are as hard without fsync.
SETTINGS = {"fsync": "off"}
SECONDS_PER_FALL = 20


@contextmanager
def services(folder: Path) -> Iterator[Services]:
    """A database and a broker of our own."""

    def crash_database() -> None:
        postgres.crash(folder / "postgres")
        postgres.start(folder / "postgres", settings=SETTINGS)

    def crash_broker() -> None:
        kafka.kill(folder / "kafka")
        kafka.start(folder / "kafka")

    try:
        url = postgres.start(folder / "postgres", settings=SETTINGS)
        yield Services(url, kafka.start(folder / "kafka"), crash_database, crash_broker)
    finally:
        kafka.stop(folder / "kafka")
        postgres.stop(folder / "postgres")


def plan(kills: int, zombies: int, *, ablation: bool) -> Plan:
    """Every point equally often; services crash, and the baseline changes, every fortieth kill."""
    frozen = [POINTS[i % len(POINTS[:-2])] for i in range(1, zombies + 1)]
    if ablation:
        frozen = ["after_score"] * zombies
    each = falls(-(-kills // len(POINTS)), frozen)
    total = len(each) - zombies
    return Plan(
        each,
        compare_and_set=not ablation,
        database_crashes=() if ablation else range(15, total, 40),
        broker_crashes=() if ablation else range(30, total, 40),
        new_baselines=() if ablation else range(5, total, 40),
        deadline_s=120 + SECONDS_PER_FALL * len(each),
    )


def table(outcome: Outcome, made: Plan) -> Sequence[str]:
    audit = outcome.audit
    lines = [f"{'killed at':20} {'times':>6}"]
    lines += [f"{point:20} {outcome.kills[point]:6}" for point in POINTS]
    lines += [f"{'all':20} {outcome.kills.total():6}", ""]
    lines += [f"{'frozen at':20} {'times':>6}"]
    lines += [f"{point:20} {count:6}" for point, count in sorted(outcome.zombies.items())]
    lines += ["", f"{'counted':16} {'expected':>9} {'lost':>6} {'duplicated':>11}"]
    lines += [f"{m.name:16} {m.expected:9} {m.lost:6} {m.duplicated:11}" for m in audit.measures]
    lines += [f"{'all':16} {'':9} {audit.lost:6} {audit.duplicated:11}", ""]
    lines += [
        f"segments whose feature sums differ from the stored traces: {audit.sums_differ}",
        f"database crashes {len(made.database_crashes)}, broker crashes {len(made.broker_crashes)},"
        f" baselines changed {len(made.new_baselines)}, fenced {outcome.fenced},"
        f" starts that found a service away {outcome.restarts}",
        f"exit codes of graceful stops: {sorted(set(outcome.exit_codes))} ({len(outcome.exit_codes)} stops)",
        f"{outcome.seconds:.0f} s",
    ]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--zombies", type=int, default=8)
    parser.add_argument("--ablation", action="store_true", help="without the compare-and-set and the unique keys")
    parser.add_argument("--keep", type=Path, help="keep journal and logs in this folder")
    given = parser.parse_args()
    made = plan(given.kills, given.zombies, ablation=given.ablation)
    folder = given.keep or Path(tempfile.mkdtemp(prefix="driftwarden-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with services(folder) as site:
            outcome = Site(site, made, folder).run()
    finally:
        if given.keep is None:
            shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(table(outcome, made)))
    wrong = outcome.audit.lost + outcome.audit.duplicated + outcome.audit.sums_differ
    raise SystemExit(bool(wrong) != given.ablation)


if __name__ == "__main__":
    main()
