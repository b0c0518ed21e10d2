"""A server that speaks OpenAI's protocol at a steady pace: ``python -m benchmarks.tap.upstream``; prints its port.

Its answers are made beforehand, so that it has time for nothing but the pace: a stream's first token after
``FIRST_S``, each further one ``TOKEN_S`` later, a whole answer after ``WHOLE_S``. Log-probabilities come where they are
asked for, five alternatives per token, as vLLM writes them.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import uvicorn

from monitor.web.server import bound

FIRST_S, TOKEN_S, WHOLE_S = 0.02, 0.01, 0.05
TOKENS = 32


def logprobs(place: int) -> dict[str, Any]:
    words = [f" word{place + other}" for other in range(5)]
    best = [{"token": word, "logprob": -0.5 - i, "bytes": list(word.encode())} for i, word in enumerate(words)]
    return {"content": [{**best[0], "top_logprobs": best}]}


def chunk(place: int, *, told: bool) -> bytes:
    choice = {
        "index": 0, "delta": {"content": f" word{place}"}, "logprobs": logprobs(place) if told else None,
        "finish_reason": "stop" if place == TOKENS - 1 else None,
    }  # fmt: skip
    frame = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    return b"data: " + json.dumps(frame).encode() + b"\n\n"


def whole(*, told: bool) -> bytes:
    content = [logprobs(place)["content"][0] for place in range(TOKENS)]
    message = {"role": "assistant", "content": "".join(f" word{place}" for place in range(TOKENS))}
    choice = {
        "index": 0, "message": message, "logprobs": {"content": content} if told else None, "finish_reason": "stop",
    }  # fmt: skip
    usage = {"prompt_tokens": 9, "completion_tokens": TOKENS, "total_tokens": 9 + TOKENS}
    frame = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}
    return json.dumps({**frame, "usage": usage}).encode()


CHUNKS = {told: [chunk(place, told=told) for place in range(TOKENS)] for told in (False, True)}
WHOLES = {told: whole(told=told) for told in (False, True)}
USAGE = b'data: {"id": "chatcmpl-1", "choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 32}}\n\n'


async def app(scope: Any, receive: Any, send: Any) -> None:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    asked = json.loads(body or b"{}")
    told = bool(asked.get("logprobs"))
    if not asked.get("stream"):
        await asyncio.sleep(WHOLE_S if body else 0)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(WHOLES[told])).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": WHOLES[told]})
        return
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await asyncio.sleep(FIRST_S)
    for each in CHUNKS[told]:
        await send({"type": "http.response.body", "body": each, "more_body": True})
        await asyncio.sleep(TOKEN_S)
    if asked.get("stream_options"):
        await send({"type": "http.response.body", "body": USAGE, "more_body": True})
    await send({"type": "http.response.body", "body": b"data: [DONE]\n\n"})


def main() -> None:
    with bound("127.0.0.1", 0) as listener:
        print(listener.getsockname()[1], flush=True)
        config = uvicorn.Config(app, log_level="error", lifespan="off", timeout_keep_alive=30)
        uvicorn.Server(config).run([listener])


if __name__ == "__main__":
    main()
