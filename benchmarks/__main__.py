"""All benchmarks that need no data from outside, one after the other: ``python -m benchmarks``."""

from __future__ import annotations

import subprocess
import sys

SUITE = (
    ("throughput", ()),
    ("encoder", ()),
    ("scores", ("--speed",)),
    ("scores.fuzz", ("--traces", "50000")),
    ("guard", ("--seconds", "30")),
    ("canary", ("--null", "300")),
    ("webhook_outage", ("--down", "20")),
    ("malformed", ()),
    ("delivery", ("--kills", "50")),
)


def main() -> None:
    failed = []
    for name, arguments in SUITE:
        print(f"\n== python -m benchmarks.{name} {' '.join(arguments)}".rstrip(), flush=True)
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}", *arguments], check=False).returncode:
            failed.append(name)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
