"""``python -m training.assistant train``: the corpus, the tokenizer and the weights, in slices that add up.

The folder of checkpoints keeps what a run has so far; the same command goes on with it.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer

import monitor.demo
from monitor.inference.card import sha256
from monitor.inference.shipped import ASSISTANT
from training.assistant.adapter import NAME, train_adapter, write_adapter
from training.assistant.corpus import digest, exchanges
from training.assistant.export import arrays, export
from training.assistant.fit import CHUNK, Run, fresh, go_on, read, training_exchanges, write
from training.assistant.outliers import with_outliers
from training.assistant.shape import Shape
from training.assistant.tokens import Encoder, train_tokenizer

TOKENIZER_ROWS = 4000
KNOWLEDGE = Path(monitor.demo.__file__).with_name("knowledge.toml")


def tokenizer_of(folder: Path, seed: int) -> Tokenizer:
    path = folder / "tokenizer.json"
    if not path.exists():
        rows = exchanges("train", seed, TOKENIZER_ROWS)
        made = train_tokenizer(
            text for row in rows for text in (row.system or "", row.question, row.answer, *row.passages)
        )
        folder.mkdir(parents=True, exist_ok=True)
        made.save(str(path))
    return Tokenizer.from_file(str(path))


def train(options: argparse.Namespace) -> None:
    tokenizer = tokenizer_of(options.folder, options.seed)
    path = options.folder / "run.pt"
    shape = Shape()
    run = read(path, shape) if path.exists() else fresh(shape, seed=options.seed, chunks=options.exchanges // CHUNK)
    run.chunks = options.exchanges // CHUNK

    def save(state: Run) -> None:
        write(state, path)

    until = time.monotonic() + options.minutes * 60
    go_on(run, Encoder.of(tokenizer), training_exchanges(options.seed), until=until, save=save)


def export_run(options: argparse.Namespace) -> None:
    tokenizer = tokenizer_of(options.folder, options.seed)
    shape = Shape()
    run = read(options.folder / "run.pt", shape)
    weights = with_outliers(arrays(run.model.state_dict()), shape, options.seed)
    used = run.chunk * CHUNK
    card = {
        "trained": {
            "script": "python -m training.assistant train, then export, as training/assistant/README.md says",
            "seed": options.seed,
            "exchanges": used,
            "tokens": run.tokens,
            "wall_s_one_thread": round(run.seconds),
            "parameters": sum(weight.size for weight in weights.values()),
            "torch": torch.__version__,
        },
        "data": {
            "knowledge_sha256": sha256(KNOWLEDGE),
            "exchanges_sha256": digest(exchanges("train", options.seed, used)),
        },
    }
    export(weights, shape, tokenizer, card=card, to=options.to)
    print(f"wrote {options.to}")


def adapt(options: argparse.Namespace) -> None:
    shape = Shape()
    model = read(options.folder / "run.pt", shape).model
    shipped = with_outliers(arrays(model.state_dict()), shape, options.seed)
    model.load_state_dict({name: torch.from_numpy(weight) for name, weight in shipped.items()})
    encoder = Encoder.of(tokenizer_of(options.folder, options.seed))
    write_adapter(train_adapter(model, encoder, seed=options.seed, count=options.exchanges), options.to)
    print(f"wrote {options.to}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    training = commands.add_parser("train", help="train, or go on training, for some minutes")
    training.add_argument("--folder", type=Path, default=Path(".driftwarden/assistant"), help="checkpoints")
    training.add_argument("--seed", type=int, default=1)
    training.add_argument("--exchanges", type=int, default=107_520)
    training.add_argument("--minutes", type=float, default=8.0)
    training.set_defaults(run=train)
    writing = commands.add_parser("export", help="write the run so far as a model folder")
    writing.add_argument("--folder", type=Path, default=Path(".driftwarden/assistant"), help="checkpoints")
    writing.add_argument("--seed", type=int, default=1)
    writing.add_argument("--to", type=Path, default=ASSISTANT)
    writing.set_defaults(run=export_run)
    adapting = commands.add_parser("adapter", help="train the adapter that the demo merges by mistake")
    adapting.add_argument("--folder", type=Path, default=Path(".driftwarden/assistant"), help="checkpoints")
    adapting.add_argument("--seed", type=int, default=1)
    adapting.add_argument("--exchanges", type=int, default=6000)
    adapting.add_argument("--to", type=Path, default=ASSISTANT / "adapters" / NAME)
    adapting.set_defaults(run=adapt)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
