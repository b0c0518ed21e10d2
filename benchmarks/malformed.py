"""Malformed records among good ones, through a real topic, a real Postgres and a real ``driftwarden consume``.

    python -m benchmarks.malformed [--good 10000] [--bad 1000] [--repeats 200]

Prints what became of them, by reason, and again after all rejects were replayed under a raised size limit.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.delivery import services
from tests.delivery.flood import Count, Flood, State, expected_reasons, flood, reasons
from tests.delivery.sidecar import Sidecar


def wrong(state: State) -> int:
    """Malformed records without exactly their reject, or without their dead letter; rejects of anything else."""
    expected = expected_reasons(state)
    found = {place: reason for place, (reason, _) in state.rejects.items()}
    missing = sum(place not in state.letters for place in expected)
    return missing + sum(found.get(place) != expected.get(place) for place in expected.keys() | found.keys())


def table(found: Flood) -> Sequence[str]:
    first, second, count = found.first, found.second, found.count
    lines = [
        f"{'':22} {'sent':>7} {'found':>7}",
        f"{'traces stored':22} {count.good:7} {first.traces:7}",
        f"{'repeats counted':22} {count.repeats:7} {first.repeats:7}",
        f"{'rejects':22} {count.bad:7} {len(first.rejects):7}",
        f"{'dead letters':22} {count.bad:7} {len(first.letters):7}",
        "",
    ]
    lines += [f"{reason:22} {times:7}" for reason, times in sorted(reasons(first).items())]
    let_in = second.traces - first.traces
    lines += [
        "",
        f"rejected for a wrong reason, or without a dead letter: {wrong(first)}",
        f"replayed: {len(second.log) - len(first.log)}, let in by the raised limit {let_in},"
        f" rejected again {len(second.rejects) - len(first.rejects)}",
        f"{first.seconds:.1f} s from the start of the process to the last dead letter; exit code {first.exit_code}",
    ]
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--good", type=int, default=10_000)
    parser.add_argument("--bad", type=int, default=1_000)
    parser.add_argument("--repeats", type=int, default=200)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="driftwarden-"))
    try:
        with services(folder) as site:
            sidecar = Sidecar(folder, site.database_url, site.bootstrap)
            found = flood(sidecar, Count(given.good, given.bad, given.repeats))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(table(found)))
    exact = found.first.traces == given.good and found.first.repeats == given.repeats
    raise SystemExit(not exact or wrong(found.first) > 0)


if __name__ == "__main__":
    main()
