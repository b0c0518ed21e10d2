"""Requests to a worker, by clients of a process of their own: ``python -m benchmarks.worker.load ADDRESS``.

Prints a JSON object: seconds of each request, what failed, tokens, and seconds of all together.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from queue import Empty, SimpleQueue
from urllib.parse import urlsplit


def main(address: str, model: str, count: int, clients: int, tokens: int) -> None:
    place = urlsplit(address)
    numbers: SimpleQueue[int] = SimpleQueue()
    for number in range(count):
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
            body = {"model": model, "prompt": f"question {number}", "max_tokens": tokens, "seed": number}
            began = time.perf_counter()
            try:
                line.request("POST", "/v1/completions", json.dumps(body), {"content-type": "application/json"})
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

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spent = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "failed": failed, "tokens": sum(made), "all_s": spent}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], *(int(each) for each in sys.argv[3:6]))
