"""Questions whose answers are known, for the canaries."""

from __future__ import annotations

import msgspec
import numpy as np

from monitor.demo.knowledge import Knowledge, worded

PROMPTS = 10
SHOWN = 3


def golden_prompts(pages: Knowledge) -> bytes:
    """JSON lines as ``driftwarden canary add`` reads them: a question, three pages, and the sentence that answers."""
    random = np.random.default_rng(1)
    lines = []
    for place in np.linspace(0, len(pages.answered) - 1, PROMPTS).astype(int).tolist():
        template = pages.answered[place]
        own = pages.passages[template.passage or 0]
        others = [page for page in pages.passages if page.topic == own.topic and page is not own][: SHOWN - 1]
        lines.append(
            {
                "name": f"{own.id}-{template.point}",
                "prompt": worded(random, template),
                "context": [page.text for page in (own, *others)],
                "expected": [own.points[template.point]],
            }
        )
    return b"\n".join(map(msgspec.json.encode, lines)) + b"\n"
