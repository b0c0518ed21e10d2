"""The drift benchmark: ``python -m benchmarks.drift [--quick] [part …]``.

Each part prints its progress and writes its rows as JSON under ``docs/benchmarks/drift/``.
"""

from __future__ import annotations

import argparse
import importlib
import time
from pathlib import Path

from benchmarks.drift.laws import SCALARS, Law, Topics
from benchmarks.drift.results import FOLDER, FULL, QUICK, progress, save
from benchmarks.drift.texts import real_laws

PARTS = ("arl", "delay")


def laws(only: str | None) -> list[Law]:
    """Every law, or those whose name holds a word."""
    every: list[Law] = [*SCALARS, Topics(), *real_laws(progress)]
    return [law for law in every if only is None or only in law.name]


def main() -> None:
    """Run the parts."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.drift", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="a smoke test: its figures mean little")
    parser.add_argument("--only", metavar="WORD", help="only the laws whose name holds the word")
    parser.add_argument("--results", type=Path, default=FOLDER, help="folder of the JSON files")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    plan, chosen = QUICK if arguments.quick else FULL, laws(arguments.only)
    for part in arguments.parts or PARTS:
        began = time.monotonic()
        rows = importlib.import_module(f"benchmarks.drift.{part}").measure(chosen, plan, progress)
        command = f"python -m benchmarks.drift {part}" + (" --quick" if arguments.quick else "")
        path = save(part, rows, command=command, seconds=time.monotonic() - began, folder=arguments.results)
        progress(f"{part}: {len(rows)} rows in {path}")


if __name__ == "__main__":
    main()
