"""What the documents say is what the code does."""

import re
from pathlib import Path

from monitor.model.scores import NAMES

DOCS = Path(__file__).resolve().parents[1] / "docs"


def test_the_scores_that_are_described_are_those_there_are() -> None:
    described = re.findall(
        r"^\| `([a-z0-9_.]+)` \|", (DOCS / "scores.md").read_text().partition("## What")[2], re.MULTILINE
    )
    assert described == list(NAMES)
