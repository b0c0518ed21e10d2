"""Real answers through the whole product: `driftwarden import`, Kafka, Postgres, judge.

    python -m benchmarks.real_drift [--data FOLDER] [--model gpt-4] [--halves 3]

LLMDrift's OPINIONQA (arXiv 2307.09009): March answers are pinned as the reference, then June's answers follow; and the
two random halves of March against each other, which must stay silent. Prints after how many traces each signal drifted.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import os
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from monitor.dev import kafka, postgres

PANE_S = 16
SNAPSHOTS = {"gpt-4": ("gpt-4-0314", "gpt-4-0613"), "gpt-3.5": ("gpt-3.5-turbo-0301", "gpt-3.5-turbo-0613")}
SIGNALS = ("response.characters", "response.tokens", "response.embedding", "relation", "prompt.embedding")


class Site:
    """One installation in a folder of its own: database, broker topic and the roles."""

    def __init__(self, folder: Path, database_url: str, bootstrap: str, name: str) -> None:
        self.environ = {
            **os.environ,
            "DRIFTWARDEN_DATABASE__URL": postgres.create_database(database_url, name),
            "DRIFTWARDEN_DATABASE__RETENTION_DAYS": "36500",
            "DRIFTWARDEN_KAFKA__BOOTSTRAP_SERVERS": bootstrap,
            "DRIFTWARDEN_KAFKA__TOPIC": f"{name}.traces",
            "DRIFTWARDEN_KAFKA__DEAD_LETTER_TOPIC": f"{name}.dlq",
            "DRIFTWARDEN_KAFKA__GROUP_ID": name,
            "DRIFTWARDEN_DRIFT__PANE_S": str(PANE_S),
            "DRIFTWARDEN_DRIFT__IDLE_AFTER_S": "3",
            "DRIFTWARDEN_DRIFT__REFERENCE_TRACES": "1000000",
        }
        self.log = (folder / f"{name}.log").open("w")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "monitor", "run", "--without", "serve", "--without", "notify"],
            env=self.environ, stdout=self.log, stderr=self.log,
        )  # fmt: skip

    def call(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "monitor", *arguments], env=self.environ, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"driftwarden {' '.join(arguments)}: {done.stderr}\n(log: {self.log.name})")
        return done.stdout

    def rows(self, sql: str) -> list[dict[str, object]]:
        return [msgspec.json.decode(line) for line in self.call("query", sql, "--format", "json").splitlines()]

    def wait_for(self, count: int) -> None:
        until = time.monotonic() + 200
        while time.monotonic() < until:
            if self.rows("SELECT count(*) AS n FROM v_traces")[0]["n"] == count:
                return
            time.sleep(0.5)
        raise SystemExit(f"not all of {count} traces arrived; log: {self.log.name}")

    def wait_until_judged(self, traces: int) -> None:
        """Until the panes of all traffic hold all traces that came after the reference."""
        until = time.monotonic() + 200
        sql = (
            "SELECT coalesce(sum(n), 0) AS n FROM"
            " (SELECT pane, max(n) AS n FROM v_drift WHERE segment = 'all' GROUP BY pane) AS panes"
        )
        while time.monotonic() < until:
            if float(self.rows(sql)[0]["n"]) >= traces:
                return
            time.sleep(0.5)
        raise SystemExit(f"not all of {traces} traces were judged; log: {self.log.name}")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


def rows_of(data: Path, snapshot: str) -> list[dict[str, str]]:
    with gzip.open(data / "llmdrift" / "OPINIONQA_EVAL.csv.gz", "rt", newline="") as file:
        return [row for row in csv.DictReader(file) if row["model"].endswith(snapshot)]


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


def brought(site: Site, file: Path, version: str, start: datetime) -> None:
    """Imports a file, one trace a second of event time."""
    site.call(
        "import", str(file), "--map", "prompt=query", "--map", "response=answer", "--map", "model.name=model",
        "--map", "usage.output_tokens=answer_token", "--set", f"model.version={version}", "--start", start.isoformat(),
        "--interval", "1",
    )  # fmt: skip


def drifted_after(site: Site, *, since: datetime) -> dict[str, int]:
    """For each signal that drifted, how many traces had come since ``since`` when it did."""
    found = site.rows(
        "WITH panes AS (SELECT DISTINCT pane, n FROM v_drift WHERE segment = 'all'"
        f" AND pane >= '{since.isoformat()}'::timestamptz - interval '{PANE_S} s'),"
        " seen AS (SELECT pane, sum(n) OVER (ORDER BY pane) AS traces FROM panes)"
        " SELECT signal, min(traces) AS traces FROM v_drift JOIN seen USING (pane)"
        " WHERE segment = 'all' AND drifted GROUP BY signal"
    )
    return {str(row["signal"]): int(float(str(row["traces"]))) for row in found}


def run(site: Site, reference: Path, stream: Path, counts: tuple[int, int]) -> tuple[dict[str, int | None], int]:
    """Traces until each signal drifted, and alerts raised."""
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=2)
    pinned(site, reference, counts[0], start)
    then = start + timedelta(days=1)
    brought(site, stream, "now", then)
    site.wait_for(sum(counts))
    site.wait_until_judged(counts[1])
    after = drifted_after(site, since=then)
    alerts = site.rows("SELECT count(*) AS n FROM v_alerts")[0]["n"]
    return {name: after.get(name) for name in sorted({*SIGNALS, *after})}, int(str(alerts))


def pinned(site: Site, reference: Path, count: int, start: datetime) -> None:
    """Imports a reference and pins its build."""
    brought(site, reference, "reference", start)
    site.wait_for(count)
    builds = site.rows("SELECT build FROM v_builds")
    site.call("reference", "pin", "--build", str(builds[0]["build"]))


def main() -> None:
    import numpy as np

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("DRIFTWARDEN_SHARED_DATA", "../shared/data")))
    parser.add_argument("--model", choices=SNAPSHOTS, action="append")
    parser.add_argument("--halves", type=int, default=3, help="how many random splits of March are tried")
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="driftwarden-real-"))
    database_url, bootstrap = postgres.start(folder / "postgres"), kafka.start(folder / "kafka")
    try:
        for model in asked.model or SNAPSHOTS:
            march, june = (rows_of(asked.data, snapshot) for snapshot in SNAPSHOTS[model])
            tag = model.replace("-", "").replace(".", "")
            runs = [(f"{model}: June after March", march, june)]
            for seed in range(asked.halves):
                order = np.random.default_rng(seed).permutation(len(march))
                half = len(march) // 2
                runs.append(
                    (f"{model}: March after March, halves {seed}", [march[i] for i in order[:half]],
                     [march[i] for i in order[half:]])
                )  # fmt: skip
            for number, (title, before, after) in enumerate(runs):
                order = np.random.default_rng(100 + number).permutation(len(after))
                shuffled = [after[i] for i in order]
                first, second = write(folder / "a.csv", before), write(folder / "b.csv", shuffled)
                site = Site(folder, database_url, bootstrap, f"d{tag}{number}")
                try:
                    told, alerts = run(site, first, second, (len(before), len(after)))
                finally:
                    site.close()
                print(f"{title}: reference {len(before)}, stream {len(after)}, alerts {alerts}")
                for name, traces in told.items():
                    print(f"    {name:22} {'never' if traces is None else f'after {traces} traces'}", flush=True)
    finally:
        kafka.stop(folder / "kafka")
        postgres.stop(folder / "postgres")


if __name__ == "__main__":
    main()
