"""False alarms of the rules on texts, over honest texts: questions, passages and answers of labelled sets.

    python -m benchmarks.guard.honest [FOLDER]

Nobody attacks anything in these texts, so whatever fires is wrong; what fires is printed, to be judged. Fields of every
record that hold text are read, each text once.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from monitor.guard.rules.injection import injection
from monitor.guard.rules.secrets import Secrets

SHOWN = 5
SHORTEST = 8


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True), required=False)
def main(folder: Path | None) -> None:
    """Print a line per set: texts, and the share that each rule fires on."""
    where = folder or Path(os.environ["DRIFTWARDEN_SHARED_DATA"])
    secrets = Secrets.load()
    click.echo(f"{'set':14}{'texts':>8}{'characters':>12}{'injection ≥ .5':>16}{'≥ .7':>8}{'secrets':>9}")
    wrong: list[tuple[str, str, str]] = []
    for kind in sorted(path for path in where.iterdir() if path.is_dir()):
        texts = sorted({text for file in sorted(kind.glob("*.gz")) for text in texts_of(file)})
        scores = [injection(text) for text in texts]
        half, strict = (sum((score.value or 0) >= least for score in scores) for least in (0.5, 0.7))
        kept = [secrets(text) for text in texts]
        for name, found in (("injection", scores), ("secrets", kept)):
            for text, score in zip(texts, found, strict=True):
                if (score.value or 0) >= 0.5 and sum(each[:2] == (name, kind.name) for each in wrong) < SHOWN:
                    start, end = score.spans[0]
                    wrong.append((name, kind.name, text[max(start - 20, 0) : end + 20].replace("\n", " ")))
        caught = sum(score.value == 1 for score in kept)
        size = sum(map(len, texts))
        click.echo(f"{kind.name:14}{len(texts):8}{size:12,}{half:16}{strict:8}{caught:9}")
    for name, kind, words in wrong:
        click.echo(f"  {name}, {kind}: …{words[:140]}…")


def texts_of(file: Path) -> Iterator[str]:
    """Every text of a file of records."""
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        if ".csv" in file.name:
            yield from (text for row in csv.DictReader(lines) for text in strings(row))
        elif ".jsonl" in file.name:
            yield from (text for line in lines for text in strings(json.loads(line)))
        else:
            yield from strings(json.load(lines))


def strings(value: Any) -> Iterator[str]:
    match value:
        case str() if len(value) >= SHORTEST:
            yield value
        case dict():
            yield from (text for each in value.values() for text in strings(each))
        case list():
            yield from (text for each in value for text in strings(each))
        case _:
            pass


if __name__ == "__main__":
    main()
