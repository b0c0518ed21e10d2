"""Requests to a worker, by clients of a process of their own: ``python -m benchmarks.worker.load``.

Each line of its input is a burst: a JSON object with the fields of ``Burst``. A line comes back for it: seconds of each
request, what failed, tokens, and seconds of all together.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Burst:
    """So many requests by so many clients for answers of so many tokens; untraced ones ask to leave no trace."""

    address: str
    model: str
    count: int
    clients: int
    tokens: int
    traced: bool = True


def sent(burst: Burst) -> dict[str, Any]:
    place = urlsplit(burst.address)
    headers = {"content-type": "application/json"} | ({} if burst.traced else {"x-driftwarden-traced": "false"})
    numbers: SimpleQueue[int] = SimpleQueue()
    for number in range(burst.count):
        numbers.put(number)
    seconds: list[float] = []
    failed: list[str] = []
    made: list[int] = []

    def ask() -> None:
        line = http.client.HTTPConnection(place.hostname or "", place.port, timeout=120)
        while True:
            try:
                number = numbers.get_nowait()
            except Empty:
                return
            body = {
                "model": burst.model, "prompt": f"question {number}", "max_tokens": burst.tokens, "seed": number
            }  # fmt: skip
            began = time.perf_counter()
            try:
                line.request("POST", "/v1/completions", json.dumps(body), headers)
                answer = line.getresponse()
                told = json.loads(answer.read())
                if answer.status != 200:
                    failed.append(f"{answer.status}")
                    continue
                made.append(told["usage"]["completion_tokens"])
            except (OSError, ValueError) as error:
                failed.append(type(error).__name__)
                line.close()
                continue
            seconds.append(time.perf_counter() - began)

    threads = [threading.Thread(target=ask) for _ in range(burst.clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent = time.perf_counter() - began
    return {"seconds": seconds, "failed": failed, "tokens": sum(made), "all_s": spent}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(sent(Burst(**json.loads(line)))), flush=True)
