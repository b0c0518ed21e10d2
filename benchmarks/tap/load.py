"""Requests to two addresses in turns: ``python -m benchmarks.tap.load DIRECT TAP COUNT CLIENTS STREAM``.

Prints a JSON object: of each address the seconds of every request to its first byte of content and to its end.
"""

from __future__ import annotations

import http.client
import json
import sys
import threading
import time
from urllib.parse import urlsplit

HEADERS = {"content-type": "application/json", "authorization": "Bearer none"}


def main(addresses: tuple[str, str], count: int, clients: int, stream: bool) -> None:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "How long?"}], "stream": stream})
    found: list[list[tuple[float, float]]] = [[], []]
    failed: list[str] = []

    def ask(first: int) -> None:
        lines = [http.client.HTTPConnection(urlsplit(address).netloc, timeout=60) for address in addresses]
        for number in range(count):
            way = (first + number) % 2
            began = time.perf_counter()
            lines[way].request("POST", "/v1/chat/completions", body, HEADERS)
            answer = lines[way].getresponse()
            heard = answer.readline() if stream else answer.read()
            first_s = time.perf_counter() - began
            rest = answer.read() if stream else heard
            found[way].append((first_s, time.perf_counter() - began))
            if answer.status != 200 or (stream and not rest.endswith(b"[DONE]\n\n")):
                failed.append(str(answer.status))

    threads = [threading.Thread(target=ask, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(json.dumps({"direct": found[0], "tap": found[1], "failed": failed}))


if __name__ == "__main__":
    main((sys.argv[1], sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5] == "stream")
