"""Every trace has every score, whatever is in it: ``python -m benchmarks.scores.fuzz [--traces 1000000] [--start 0]``.

Made-up traces of odd texts and numbers, each scored in a batch and then again in the reversed batch. Counted are scores
that are missing, values that are no number from 0 to 1, scores without a reason or with spans outside the answer, code
that failed, and scores that differ by a bit the second time. The first traces are scored once more by a process with
another hash seed.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import random
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from detectors.score import Claim, Score
from monitor.inference.grounding import shipped_grounding
from monitor.model.decoded import Decoded, Vector
from monitor.model.record import Partition, Record
from monitor.model.scores import NAMES
from monitor.model.texts import response_of
from monitor.model.trace import Trace
from monitor.scoring import Scorer
from monitor.scoring.checked import Checking
from monitor.scoring.embedded import Nearness

BATCH = 256
TWICE = 20_000
START = datetime(2026, 1, 1, tzinfo=UTC)


class Hashed:
    """An encoder in four dimensions that knows nothing but whether two texts are the same; a real one takes days."""

    name, dimension, fingerprint = "hashed", 4, "hashed"

    def encode(self, texts: Sequence[str]) -> npt.NDArray[np.float32]:
        digests = [hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest() for text in texts]
        rows = np.array([np.frombuffer(digest, "<i2") for digest in digests], np.float32).reshape(-1, 4)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


NEAR = Checking(Nearness(Hashed()), 1.0, math.inf, float)
SCORER = Scorer(
    embedder=None, name="any", dimension=4, grounder=shipped_grounding(), checks={"grounding.embedding": NEAR}
)

SAID = (
    "the bridge opened in 1932 by Freeman , however I don't know . Sydney harbour 1,250 metres (Passage 2)"
    " may perhaps not sure was built of steel ! ? … 今天天气很好 。 мост открыт El puente ก็ 🌉 ß"
    ' e\u0301 \u202e \u0000 \ufeff \U0010ffff ǅ İstanbul { } [ ] " : ``` ```json ~~~'
    " \n \n\n \t - * 1. ' ’ “ ” __ \\ http://a.b/c?d=e&f=%20 <|end|> ½ ² Ⅷ ٣ -0"
    " 1e999 NaN null true"
)
WORDS = SAID.split(" ")
TEXTS = (
    "", " ", "\n", ".", "a", "I don't know.", '{"city": "Rome"}', '```json\n{"a": [1]}\n```', "[" * 2000, "no " * 300,
    "。" * 50, "\u0301" * 40, "a" * 3000, "Yes.\n\n1. One\n2. Two", "x\u2028y\u2029z\x85w\x1c",
)  # fmt: skip
NUMBERS = (
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    1e-320,
    -1e-320,
    1e308,
    -1e308,
    math.inf,
    -math.inf,
    math.nan,
    -1e-7,
    1e-7,
    2.0**53,
)
SCHEMAS = (
    None,
    {},
    {"type": "object"},
    {"type": 3},
    {"$ref": "#/a"},
    {"$ref": "http://x/y"},
    {"pattern": "(a+)+$"},
    [],
    "x",
)


def made_up(draw: random.Random) -> Trace:
    """A trace; half of all fields are as they should be, the others are not."""
    answer = text(draw)
    tokens = pieces(draw, answer)
    told: dict[str, Any] = {
        "id": "x", "schema_version": "1.0", "time": START, "model": {"name": "m"},
        "prompt_text": text(draw),
        "output_messages": messages(draw, answer),
        "context": [document(draw) for _ in range(few(draw))],
        "samples": [{"text": text(draw) if draw.random() < 0.5 else answer} for _ in range(few(draw) * 2)],
        "tools": draw.choice([[], [tool(draw)], [3, None, "x", {}], [tool(draw), tool(draw)]]),
        "request": draw.choice([None, {"response_format": response_format(draw), "max_tokens": draw.choice(
            [None, 0, 3, -1]), "temperature": draw.choice([None, 0.0, 1.0, math.nan])}]),
        "usage": {"output_tokens": draw.choice([None, 0, 5, 2**53]), "input_tokens": draw.choice([None, 0, 7])},
        "tokenization": {"unknown_tokens": draw.choice([0, 3, 2**53]), "byte_fallback_tokens": draw.choice([None, 2])},
        "attention": draw.choice([None, {"lookback_ratio": numbers(draw, len(tokens))}]),
        "extra": draw.choice([{}, {"reference_answer": draw.choice([text(draw), [text(draw), 3], None, {}])}]),
        "feedback": draw.choice([[], [{"kind": "correction", "value": draw.choice([text(draw), 3, None])}],
                                 [{"kind": "label", "value": draw.choice(["bad", {"reference_answer": text(draw)}])}]]),
    }  # fmt: skip
    if draw.random() < 0.6:
        told["logprobs"] = logprobs(draw, answer, tokens)
    return msgspec.convert(told, Trace)


def messages(draw: random.Random, answer: str) -> list[dict[str, Any]]:
    reason = draw.choice([None, "stop", "length", "tool_call", "content_filter"])
    whole = {"parts": [{"content": answer}, *calls(draw)], "finish_reason": reason}
    return draw.choice([[], [{}], [whole], [whole], [whole], [whole, whole]])


def few(draw: random.Random) -> int:
    return draw.choice((0, 0, 1, 2, 3, 4))


def text(draw: random.Random) -> str:
    if draw.random() < 0.3:
        return draw.choice(TEXTS)
    joined = draw.choice((" ", " ", "", "\n")).join(draw.choices(WORDS, k=draw.choice((1, 4, 12, 40))))
    return joined if draw.random() < 0.9 else joined + chr(draw.randrange(0x20, 0xD800)) * draw.randrange(9)


def pieces(draw: random.Random, answer: str) -> list[str]:
    cuts = sorted({0, *(draw.randrange(len(answer) + 1) for _ in range(draw.choice((0, 3, 20))))})
    return [answer[a:b] for a, b in zip(cuts, [*cuts[1:], len(answer)], strict=True)]


def numbers(draw: random.Random, count: int) -> list[float]:
    """So many plain shares, or some of the odd numbers among them, or another count."""
    count = count if draw.random() < 0.8 else few(draw)
    odd = draw.random() < 0.3
    return [draw.choice(NUMBERS) if odd and draw.random() < 0.2 else draw.random() for _ in range(count)]


def logprobs(draw: random.Random, answer: str, tokens: list[str]) -> dict[str, Any]:
    sign = draw.choice((-1.0, -1.0, -1.0, -9.0, 20.0))
    found: dict[str, Any] = {
        "logprob": [sign * number for number in numbers(draw, len(tokens))],
        "tokens": draw.choice([tokens, tokens, [], ["▁a", "<0xC3>", "Ġ"], ["\ud800"] * len(tokens)]),
        "entropy": draw.choice([[], numbers(draw, len(tokens))]),
        "unit": draw.choice(["nats"] * 9 + ["logit"]),
        "source": draw.choice(["raw"] * 8 + ["post_temperature", "softmax?"]),
        "byte_offsets": draw.choice([[], [], [], [draw.randrange(-1, 2 * len(answer) + 2) for _ in tokens],
                                     list(range(len(tokens)))]),
    }  # fmt: skip
    if draw.random() < 0.5:
        rows = [[-5 * number for number in numbers(draw, draw.choice((2, 2, 5, 0, 1)))] for _ in tokens]
        found["top_k"] = {"k": 5, "logprob": rows if draw.random() < 0.9 else rows[:-1]}
    return found


def document(draw: random.Random) -> dict[str, Any]:
    return {"id": "d", "text": text(draw), "score": draw.choice((None, draw.random(), draw.choice(NUMBERS))),
            "updated_at": draw.choice((None, START - timedelta(days=draw.randrange(-9, 9999)), datetime.min.replace(
                tzinfo=UTC), datetime.max.replace(tzinfo=UTC)))}  # fmt: skip


def response_format(draw: random.Random) -> Any:
    schema = draw.choice(SCHEMAS)
    of_schema = {"type": "json_schema", "json_schema": {"schema": schema}}
    tgi = {"type": "json", "value": schema}
    return draw.choice([None, "json", {"type": "json_object"}, of_schema, {"type": ["json"]}, tgi])


def calls(draw: random.Random) -> list[dict[str, Any]]:
    arguments = draw.choice([None, {}, {"city": "Rome"}, '{"city": 3}', "{", 3, [], text(draw)])
    return [{"type": "tool_call", "name": draw.choice(["map", "", None, 3]), "arguments": arguments}] * draw.choice(
        (0, 0, 1, 2)
    )


def tool(draw: random.Random) -> dict[str, Any]:
    inner = {"name": draw.choice(["map", 3, None]), "parameters": draw.choice(SCHEMAS)}
    return draw.choice([inner, {"type": "function", "function": inner}, {"function": 3}])


def decoded(trace: Trace, draw: random.Random) -> Decoded:
    vectors = {}
    if draw.random() < 0.2:
        rows = np.array([[draw.choice((draw.random(), draw.choice(NUMBERS))) for _ in range(4)] for _ in range(4)])
        with np.errstate(over="ignore"):
            vectors = {f"sample:{i}": Vector("m", None, row.astype(np.float32)) for i, row in enumerate(rows)}
    return Decoded(Record(Partition("fuzz", 0), 0, b"", {}), trace, b"", vectors)


def traces(seed: int, count: int) -> list[Decoded]:
    """The same for the same seed."""
    draw = random.Random(seed)
    return [decoded(made_up(draw), draw) for _ in range(count)]


def faults(score: Score, answer: str, passages: Sequence[str]) -> list[str]:
    """What is wrong with one score."""
    found = [] if all(told_of(claim, answer, passages) for claim in score.claims) else ["evidence that is not there"]
    if score.status not in ("ok", "abstained", "insufficient_input", "error"):
        found.append("unknown status")
    if (score.status == "ok") != (score.value is not None) or (score.status == "ok") == bool(score.reason):
        found.append("neither value nor reason")
    if score.value is not None and not (0.0 <= score.value <= 1.0 and math.copysign(1.0, score.value) == 1.0):
        found.append("value is no number from 0 to 1")
    if score.reason is not None and score.reason.startswith("internal:"):
        found.append(f"code failed: {score.reason}")
    flat = [place for span in score.spans for place in span]
    if flat != sorted(flat) or any(start >= end for start, end in score.spans) or flat[-1:] > [len(answer)]:
        found.append("spans out of order or outside the answer")
    return found


def told_of(claim: Claim, answer: str, passages: Sequence[str]) -> bool:
    """Whether a claim is of this answer, its evidence of one of these passages, and its value a probability."""
    if not (0.0 <= claim.value <= 1.0 and 0 <= claim.passage < len(passages)):
        return False
    start, end = claim.span
    inside = all(start <= first < last <= end for first, last in claim.novel)
    held = 0 <= claim.evidence[0] < claim.evidence[1] <= len(passages[claim.passage])
    return inside and held and 0 <= start < end <= len(answer)


def bits(score: Score) -> bytes:
    value = b"" if score.value is None else struct.pack("<d", score.value)
    return b"|".join([score.status.encode(), value, repr((score.reason, score.spans, score.claims)).encode()])


def check(items: Sequence[Decoded], told: Counter[str], digest: Any) -> None:
    """Counts what is wrong with the scores of a batch, and adds them to the digest."""
    once, again = SCORER.score(items).scores, SCORER.score(items[::-1]).scores
    for name in NAMES:
        told["missing"] += len(items) - len(once[name])
        for item, first, second in zip(items, once[name], reversed(again[name]), strict=True):
            told[first.status] += 1
            for fault in faults(first, response_of(item.trace), [found.text for found in item.trace.context]):
                told[f"{name}: {fault}"] += 1
            if bits(first) != bits(second):
                told[f"{name}: another score the second time"] += 1
            digest.update(bits(first))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=int, default=1_000_000)
    parser.add_argument(
        "--start", type=int, default=0, help="leave out so many traces (whole batches of 256), to go on in parts"
    )
    parser.add_argument("--digest", action="store_true", help="print nothing but a digest of all scores")
    asked = parser.parse_args()
    told: Counter[str] = Counter(missing=0)
    digest, early = hashlib.blake2b(), ""
    began = time.process_time()
    for seed, done in enumerate(range(0, asked.traces, BATCH), asked.start // BATCH):
        check(traces(seed, min(BATCH, asked.traces - done)), told, digest)
        if done + BATCH >= TWICE and not early:
            early = digest.hexdigest()
    if asked.digest:
        print(digest.hexdigest())
        return 0
    statuses = {status: told.pop(status) for status in ("ok", "abstained", "insufficient_input", "error")}
    print(
        f"{asked.traces:,} traces from {asked.start:,} on, {sum(statuses.values()):,} scores: {statuses};"
        f" {time.process_time() - began:.0f} s"
    )
    first = min(-(-TWICE // BATCH) * BATCH, asked.traces)
    again = ["--digest", "--traces", str(first), "--start", str(asked.start)]
    other = subprocess.run(
        [sys.executable, "-m", "benchmarks.scores.fuzz", *again],
        env={**os.environ, "PYTHONHASHSEED": "12345"}, stdout=subprocess.PIPE, check=True, text=True,
    ).stdout.strip()  # fmt: skip
    told["another process has other bits"] = int(other != (early or digest.hexdigest()))
    for fault, count in sorted(told.items()):
        print(f"{count:9,}  {fault}")
    return int(any(told.values()))


if __name__ == "__main__":
    sys.exit(main())
