"""``python -m training.grounding {compare,train} DATA``: cross-validate ways of judging, or train the shipped model.

DATA is a folder with ``ragtruth_qa``, ``summedits`` and ``wice``. Folds are by source (hash of its name), the same for
every way and seed. WordNet's database files are Debian's package ``wordnet-base``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch

from benchmarks.scores.judged import Reading, figures
from benchmarks.scores.labelled import Row, key_of, read_ragtruth, read_summedits, read_wice
from detectors.groundedness import Model
from detectors.lexicon import Lexicon
from monitor.inference.grounding import DIGEST, FILE, encode
from training.grounding.calibration import calibrate
from training.grounding.export import to_numpy
from training.grounding.reading import library
from training.grounding.ways import WAYS, Corpus, average, kept, out_of_fold, read_corpus

FOLDS = 5
# Their heads are averaged: those that have seen RAGTruth alone judge its like best, the others what they have not seen.
SHIPPED = ("words", "edited")
CORPORA = ("ragtruth", "summedits")
MODELS = Path(__file__).parents[2] / "monitor" / "inference" / "models"


def rows_of(folder: Path) -> tuple[list[Row], dict[str, str]]:
    """All labelled rows, and the sha256 of each file they are from."""
    ragtruth = [folder / "ragtruth_qa" / f"{part}_qa_train.jsonl.gz" for part in ("response", "source")]
    summedits, wice = sorted((folder / "summedits").glob("*.gz")), sorted((folder / "wice").glob("*.gz"))
    digests = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in [*ragtruth, *summedits, *wice]
    }
    return [*read_ragtruth(*ragtruth), *read_summedits(summedits), *read_wice(wice)], digests


@dataclass(frozen=True, slots=True)
class Asked:
    """Which ways, with which seeds, and where what comes of it is kept.

    Attributes:
        strange: a row's head has not seen its generator either.
        out: figures, as JSON lines; of the shipped model, its folder.
        values: the averaged opinion on each answer, as `benchmarks.scores` reads it.
    """

    ways: Sequence[str]
    seeds: list[int]
    strange: bool
    out: Path
    values: Path | None
    checkpoints: Path


def compare(corpus: Corpus, asked: Asked, digests: dict[str, str]) -> None:
    """Print the figures of each way and seed, and of each way's seeds averaged; append them to a file of JSON lines."""
    for name in asked.ways:
        for judged in WAYS[name].judges:
            places = corpus.of(judged)
            folds = corpus.folds[places]
            rows = [corpus.rows[place] for place in places]
            told = {"way": name, "corpus": judged, "strange": asked.strange}
            runs = []
            for seed in asked.seeds:
                began = time.process_time()
                said = out_of_fold(corpus, WAYS[name], seed=seed, folder=asked.checkpoints, strange=asked.strange)
                runs.append(said)
                found = figures(rows, [said[place] for place in places], folds)
                write(asked.out, {**told, "seed": seed, "cpu_s": time.process_time() - began, **found})
            averaged = [average([run[place] for run in runs]) for place in places]
            if len(runs) > 1:
                write(asked.out, {**told, "seed": "averaged", **figures(rows, averaged, folds)})
            if asked.values:
                keep_values(rows, averaged, digests, asked.values)


def keep_values(rows: list[Row], said: list[Reading], digests: dict[str, str], path: Path) -> None:
    """Write the probabilities out of fold, by the hash of what was judged; no label or text is in the file."""
    numbers = calibrate(rows, said)
    values = 1 / (1 + np.exp(-numbers.slope * np.array([one.opinion for one in said]) - numbers.intercept))
    by_answer = {key_of(row): round(float(value), 5) for row, value in zip(rows, values, strict=True)}
    files = {name: digest for name, digest in digests.items() if name.startswith(rows[0].corpus)}
    path.write_bytes(msgspec.json.encode({"files_sha256": files, "values": by_answer}) + b"\n")


def write(out: Path, line: dict[str, object]) -> None:
    """One line of figures, on the screen and in the file."""
    told = {key: round(value, 3) if isinstance(value, float) else value for key, value in line.items()}
    print(json.dumps(told), flush=True)
    with out.open("a") as file:
        file.write(json.dumps(line) + "\n")


def train_shipped(corpus: Corpus, asked: Asked, digests: dict[str, str]) -> None:
    """Calibrate the averaged heads out of fold, train each on all rows, and write the model with its figures."""
    began = time.process_time()
    pairs = [(WAYS[name], seed) for name in SHIPPED for seed in asked.seeds]
    runs = [out_of_fold(corpus, way, seed=seed, folder=asked.checkpoints) for way, seed in pairs]
    told, said = {}, {}
    for judged in CORPORA:
        places = corpus.of(judged)
        rows, folds = [corpus.rows[place] for place in places], corpus.folds[places]
        said[judged] = [average([run[place] for run in runs]) for place in places]
        told[judged] = {name: round(value, 4) for name, value in figures(rows, said[judged], folds).items()}
    rows = [corpus.rows[place] for place in corpus.of("ragtruth")]
    numbers = calibrate(rows, said["ragtruth"])
    if asked.values:
        keep_values(rows, said["ragtruth"], digests, asked.values)
    every = range(len(corpus.rows))
    heads = tuple(to_numpy(kept(corpus, way, every, seed=seed, folder=asked.checkpoints)) for way, seed in pairs)
    whole = corpus.library.lexicon
    # What one document alone holds is as rare as what none holds, near enough; names are most of it.
    documents = {stem: count for stem, count in whole.documents.items() if count > 1}
    model = Model(
        lexicon=Lexicon(documents, whole.total, whole.synonyms, whole.antonyms),
        names=corpus.evidences[0].names,
        heads=heads,
        slope=numbers.slope,
        intercept=numbers.intercept,
        prior=numbers.prior,
        word_threshold=numbers.word_threshold,
    )
    trained = {
        "ways": {name: WAYS[name].told for name in SHIPPED},
        "seeds": asked.seeds,
        "files_sha256": {path: digest for path, digest in digests.items() if path.startswith(CORPORA)},
        "out_of_fold": told,
        "cpu_hours": round((time.process_time() - began) / 3600, 3),
    }
    body = encode(model, trained)
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / FILE).write_bytes(body)
    (asked.out / DIGEST).write_text(f"{hashlib.sha256(body).hexdigest()}  {FILE}\n")
    print(json.dumps(trained, indent=2))


def main() -> int:
    parser = argparse.ArgumentParser("python -m training.grounding", description=__doc__)
    parser.add_argument("command", choices=("compare", "train"))
    parser.add_argument("data", type=Path)
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--ways", nargs="+", choices=sorted(WAYS), default=sorted(WAYS))
    parser.add_argument("--out", type=Path, help="compare: a file of JSON lines; train: the folder of the model")
    parser.add_argument("--strange", action="store_true", help="compare: heads have not seen a row's generator either")
    parser.add_argument("--values", type=Path, help="a file for the probabilities out of fold")
    parser.add_argument("--checkpoints", type=Path, default=Path("grounding-checkpoints"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows, digests = rows_of(given.data)
    known = library([row for row in rows if row.corpus == "ragtruth"], given.wordnet)
    training = given.command == "train"
    used = SHIPPED if training else given.ways
    wanted = {name for way in used for name in WAYS[way].corpora}
    corpus = read_corpus([row for row in rows if row.corpus in wanted], known, FOLDS)
    out = given.out or (MODELS if training else Path("grounding-ways.jsonl"))
    asked = Asked(used, given.seeds, given.strange, out, given.values, given.checkpoints)
    (train_shipped if training else compare)(corpus, asked, digests)
    return 0


if __name__ == "__main__":
    sys.exit(main())
