"""A receiver that is down while alerts fire and resolve: what arrives, how often, in which order.

    python -m benchmarks.webhook_outage [--down 60] [--alerts 20]

Real Postgres, a real `driftwarden notify`, a real HTTP receiver that verifies signatures with the `standardwebhooks`
library. Prints how many ids arrived, how often each, and how long after the receiver came back.
"""

from __future__ import annotations

import argparse
import base64
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
from standardwebhooks import Webhook

from monitor.dev import postgres
from monitor.model.alert import Alert, Change
from monitor.storage.alerts import write_change
from monitor.storage.engine import connect
from monitor.storage.migrate import migrate

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
NAME = "pager"


@dataclass
class Arrivals:
    """Verified messages: ids in order of arrival, (alert, type) by id, and when each came."""

    ids: list[str] = field(default_factory=list)
    told: dict[str, tuple[str, str]] = field(default_factory=dict)
    at: list[float] = field(default_factory=list)
    refused: int = 0

    def take(self, headers: dict[str, str], body: bytes) -> None:
        try:
            Webhook(SECRET).verify(body, headers)
        except Exception:  # noqa: BLE001 - whatever the library says, it is not a message of ours
            self.refused += 1
            return
        message = msgspec.json.decode(body)
        identity = headers["webhook-id"]
        self.ids.append(identity)
        self.told[identity] = (message["data"]["id"], message["type"])
        self.at.append(time.monotonic())


def receiver(port: int, arrivals: Arrivals) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            arrivals.take({name.lower(): value for name, value in self.headers.items()}, body)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def raise_alerts(url: str, count: int) -> None:
    """Alerts of ``count`` segments that fire and then resolve, written by the store as the judge does."""
    engine = connect(url)
    migrate(engine)
    now = datetime.now(UTC)
    with engine.begin() as connection:
        for i in range(count):
            labels = {"kind": "drift", "segment": f"tenant=t{i}"}
            alert = Alert(f"alert_{i}", labels, "firing", now, now, "response.tokens 60 → 120", ["response.tokens"], {})
            write_change(connection, Change("alert.firing", alert, now), [NAME])
            over = replace(alert, status="resolved", resolved_at=now)
            write_change(connection, Change("alert.resolved", over, now), [NAME])
    engine.dispose()


def outage(url: str, *, down_s: float, alerts: int, within_s: float) -> tuple[Arrivals, float]:
    """Messages of ``alerts`` alerts with the receiver away for ``down_s``; returns what came and when it was back."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    raise_alerts(url, alerts)
    endpoint = [{"name": NAME, "url": f"http://127.0.0.1:{port}/", "secret": SECRET, "allow": ["127.0.0.0/8"]}]
    environ = {
        **os.environ,
        "DRIFTWARDEN_DATABASE__URL": url,
        "DRIFTWARDEN_WEBHOOK__ENDPOINTS": msgspec.json.encode(endpoint).decode(),
    }
    notifier = subprocess.Popen([sys.executable, "-m", "monitor", "notify"], env=environ, stderr=subprocess.DEVNULL)
    arrivals = Arrivals()
    server = None
    try:
        time.sleep(down_s)
        server = receiver(port, arrivals)
        back = time.monotonic()
        while len(arrivals.told) < 2 * alerts and time.monotonic() - back < within_s:
            time.sleep(0.1)
        time.sleep(3.0)  # a repeat would come now
    finally:
        notifier.terminate()
        notifier.wait(20)
        if server is not None:
            server.shutdown()
            server.server_close()
    return arrivals, back


def in_order(arrivals: Arrivals) -> bool:
    """True where every alert's firing came before its end."""
    types: dict[str, list[str]] = {}
    for identity in arrivals.ids:
        alert, happening = arrivals.told[identity]
        types.setdefault(alert, []).append(happening)
    return all(found == ["alert.firing", "alert.resolved"] for found in types.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--down", type=float, default=60.0, help="seconds")
    parser.add_argument("--alerts", type=int, default=20)
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="driftwarden-webhook-"))
    try:
        url = postgres.create_database(postgres.start(folder), "outage")
        arrivals, back = outage(url, down_s=asked.down, alerts=asked.alerts, within_s=180)
    finally:
        postgres.stop(folder)
        shutil.rmtree(folder, ignore_errors=True)
    often = Counter(Counter(arrivals.ids).values())
    print(f"receiver down for {asked.down:g} s; {2 * asked.alerts} messages of {asked.alerts} alerts")
    print(
        f"ids that arrived: {len(arrivals.told)}; times each arrived: {dict(often)}; bad signatures: {arrivals.refused}"
    )
    if arrivals.at:
        print(f"first {arrivals.at[0] - back:.1f} s, last {arrivals.at[-1] - back:.1f} s after the receiver was back")
    print(f"firing before resolved for every alert: {in_order(arrivals)}")


if __name__ == "__main__":
    main()
