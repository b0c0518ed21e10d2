"""The per-trace scores on labelled data: ``python -m benchmarks.scores [--ragtruth RESPONSES SOURCES] …``.

Without arguments every part runs on the files it knows, under DRIFTWARDEN_SHARED_DATA or ``../shared/data``; with
arguments only the parts named, each on the files given (any other file of the same format) or, given none, on its own.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the benchmark: ``benchmarks.scores.<name>`` has ``report(files: Sequence[Path]) -> None``.

    Attributes:
        files: what it reads when no file is given, as patterns under the folder of the labelled data.
    """

    name: str
    told: str
    files: tuple[str, ...]


PARTS = (
    Part("ragtruth", "RESPONSES SOURCES: groundedness on RAGTruth", ("ragtruth_qa/response_*", "ragtruth_qa/source_*")),
    Part("summedits", "FILE …: groundedness on SummEdits", ("summedits/*",)),
    Part("wice", "FILE …: groundedness on WiCE", ("wice/*",)),
    Part("sac3", "FILE …: consistency on SAC3", ("sac3/*",)),
    Part("calibration", "RESPONSES SOURCES: what labels give", ("ragtruth_qa/response_*", "ragtruth_qa/source_*")),
    Part("embedding", "RESPONSES SOURCES: groundedness by vectors", ("ragtruth_qa/response_*", "ragtruth_qa/source_*")),
    Part("speed", "scores per second and core", ()),
    Part("mushroom", "FILE …: uncertainty and its spans on Mu-SHROOM", ("mu_shroom/*",)),
)


def folder() -> Path:
    """Where the labelled data lies."""
    return Path(os.environ.get("DRIFTWARDEN_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))


def own_files(part: Part) -> list[Path]:
    return [path for pattern in part.files for path in sorted(folder().glob(pattern))]


def run(part: Part, files: Sequence[Path]) -> bool:
    """True if the part ran; files that are absent are told."""
    missing = [path for path in files if not path.is_file()]
    if missing or (part.files and not files):
        print(f"{part.name}: no data at {missing or folder()}: set DRIFTWARDEN_SHARED_DATA", file=sys.stderr)
        return False
    print(f"\n== {part.name}: {part.told}", flush=True)
    importlib.import_module(f"benchmarks.scores.{part.name}").report(files)
    return True


def main() -> int:
    parser = argparse.ArgumentParser(
        "python -m benchmarks.scores", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for part in PARTS:
        parser.add_argument(f"--{part.name}", nargs="*", type=Path, metavar="FILE", help=part.told)
    asked = {name: files for name, files in vars(parser.parse_args()).items() if files is not None}
    chosen = [part for part in PARTS if not asked or part.name in asked]
    ran = [run(part, asked.get(part.name) or own_files(part)) for part in chosen]
    return 0 if all(ran) else 1


if __name__ == "__main__":
    sys.exit(main())
