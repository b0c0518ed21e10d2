"""The drift benchmark: ``python -m benchmarks.drift [--quick] [part …]``.

Each part prints its progress and writes its rows as JSON under ``docs/benchmarks/drift/``; from all that is there the
page ``docs/benchmarks/drift.md`` and its figures are made. The part ``page`` makes only these.
"""

from __future__ import annotations

import argparse
import importlib
import shlex
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.drift.laws import SCALARS, Law, Topics
from benchmarks.drift.page import write
from benchmarks.drift.peers import python
from benchmarks.drift.plots import draw
from benchmarks.drift.results import FOLDER, FULL, QUICK, progress, save
from benchmarks.drift.texts import real_laws

PARTS = ("page", "arl", "delay", "power", "peers", "cost", "llmdrift", "month")
_WITH_PEERS = ("power", "peers", "cost")


def laws(only: list[str] | None) -> list[Law]:
    """Every law, or those whose name holds one of the words."""
    every: list[Law] = [*SCALARS, Topics(), *real_laws(progress)]
    return [law for law in every if only is None or any(word in law.name for word in only)]


def options(arguments: argparse.Namespace) -> list[str]:
    """What was asked for beside the parts, as it is written on the command line."""
    named = [name for name in ("only", "references", "panes", "replicates") if getattr(arguments, name) is not None]
    given = [word for name in named for word in (f"--{name}", *words(getattr(arguments, name)))]
    return ["--quick", *given] if arguments.quick else given


def words(value: int | list[str]) -> list[str]:
    """A value as it is written on the command line."""
    return value if isinstance(value, list) else [str(value)]


def main() -> None:
    """Run the parts."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.drift", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--quick", action="store_true", help="a smoke test: its figures mean little")
    parser.add_argument("--only", metavar="WORD", nargs="+", help="only the laws whose name holds one of the words")
    parser.add_argument("--results", type=Path, default=FOLDER, help="folder of the JSON files")
    for name in ("references", "panes", "replicates"):
        parser.add_argument(f"--{name}", type=int, help=f"instead of {getattr(FULL, name):,}")
    parser.add_argument("--peers", type=Path, help="Python of the peers' environment (peers.txt says how to make it)")
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    given = {name: getattr(arguments, name) for name in ("references", "panes", "replicates")}
    plan = replace(QUICK if arguments.quick else FULL, **{name: n for name, n in given.items() if n is not None})
    chosen = laws(arguments.only) if arguments.parts != ["page"] else []
    for part in [part for part in arguments.parts or PARTS if part != "page"]:
        began = time.monotonic()
        module = importlib.import_module(f"benchmarks.drift.{part}")
        beside = (python(arguments.peers),) if part in _WITH_PEERS else ()
        rows = module.measure(chosen, plan, progress, *beside)
        command = shlex.join(["python", "-m", "benchmarks.drift", part, *options(arguments)])
        path = save(part, rows, command=command, seconds=time.monotonic() - began, folder=arguments.results)
        progress(f"{part}: {len(rows)} rows in {path}")
    progress(f"page: {write(arguments.results, draw(arguments.results, progress))}")


if __name__ == "__main__":
    main()
