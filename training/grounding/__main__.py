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
from pathlib import Path

import torch

from benchmarks.scores.judged import figures
from benchmarks.scores.labelled import Row, read_ragtruth, read_summedits, read_wice
from detectors.groundedness import Model
from detectors.lexicon import Lexicon
from monitor.inference.grounding import DIGEST, FILE, encode
from training.grounding.calibration import calibrate
from training.grounding.export import to_numpy
from training.grounding.reading import library
from training.grounding.ways import WAYS, Corpus, average, kept, out_of_fold, read_corpus

FOLDS = 5
SHIPPED = "words"
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


def compare(corpus: Corpus, names: list[str], seeds: list[int], out: Path, *, folder: Path) -> None:
    """Print the figures of each way and seed, and of each way's seeds averaged; append them to a file of JSON lines."""
    for name in names:
        for judged in WAYS[name].judges:
            places = corpus.of(judged)
            folds = corpus.folds[places]
            rows = [corpus.rows[place] for place in places]
            runs = []
            for seed in seeds:
                began = time.process_time()
                said = out_of_fold(corpus, WAYS[name], seed=seed, folder=folder)
                runs.append(said)
                found = figures(rows, [said[place] for place in places], folds)
                write(out, {"way": name, "corpus": judged, "seed": seed, "cpu_s": time.process_time() - began, **found})
            if len(runs) > 1:
                found = figures(rows, [average([run[place] for run in runs]) for place in places], folds)
                write(out, {"way": name, "corpus": judged, "seed": "averaged", **found})


def write(out: Path, line: dict[str, object]) -> None:
    """One line of figures, on the screen and in the file."""
    told = {key: round(value, 3) if isinstance(value, float) else value for key, value in line.items()}
    print(json.dumps(told), flush=True)
    with out.open("a") as file:
        file.write(json.dumps(line) + "\n")


def train_shipped(corpus: Corpus, seeds: list[int], digests: dict[str, str], target: Path, *, folder: Path) -> None:
    """Calibrate the averaged seeds out of fold, train each on all rows, and write the model with its figures."""
    began, way = time.process_time(), WAYS[SHIPPED]
    places = corpus.of("ragtruth")
    rows, folds = [corpus.rows[place] for place in places], corpus.folds[places]
    runs = [out_of_fold(corpus, way, seed=seed, folder=folder) for seed in seeds]
    said = [average([run[place] for run in runs]) for place in places]
    found = figures(rows, said, folds)
    numbers = calibrate(rows, said)
    heads = tuple(to_numpy(kept(corpus, way, None, seed=seed, folder=folder)) for seed in seeds)
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
        "way": way.told,
        "seeds": seeds,
        "files_sha256": {path: digest for path, digest in digests.items() if path.startswith(tuple(way.corpora))},
        "out_of_fold": {name: round(value, 4) for name, value in found.items()},
        "cpu_hours": round((time.process_time() - began) / 3600, 3),
    }
    body = encode(model, trained)
    target.mkdir(parents=True, exist_ok=True)
    (target / FILE).write_bytes(body)
    (target / DIGEST).write_text(f"{hashlib.sha256(body).hexdigest()}  {FILE}\n")
    print(json.dumps(trained, indent=2))


def main() -> int:
    parser = argparse.ArgumentParser("python -m training.grounding", description=__doc__)
    parser.add_argument("command", choices=("compare", "train"))
    parser.add_argument("data", type=Path)
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--ways", nargs="+", choices=sorted(WAYS), default=sorted(WAYS))
    parser.add_argument("--out", type=Path, help="compare: a file of JSON lines; train: the folder of the model")
    parser.add_argument("--checkpoints", type=Path, default=Path("grounding-checkpoints"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    rows, digests = rows_of(given.data)
    known = library([row for row in rows if row.corpus == "ragtruth"], given.wordnet)
    used = given.ways if given.command == "compare" else [SHIPPED]
    wanted = {name for way in used for name in WAYS[way].corpora}
    corpus = read_corpus([row for row in rows if row.corpus in wanted], known, FOLDS)
    if given.command == "compare":
        compare(corpus, given.ways, given.seeds, given.out or Path("grounding-ways.jsonl"), folder=given.checkpoints)
    else:
        train_shipped(corpus, given.seeds, digests, given.out or MODELS, folder=given.checkpoints)
    return 0


if __name__ == "__main__":
    sys.exit(main())
