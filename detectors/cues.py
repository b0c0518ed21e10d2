"""Phrases by which an answer speaks of its sources: cited passages, things said to be absent, turns and hedges."""

from __future__ import annotations

import re

_CITED = re.compile(
    r"\b(?:passages?|sources?|documents?|context) {0,2}#?"
    r"(\d{1,2}(?: {0,2}(?:,|and|&|or|to|-|–) {0,2}(?:passages? )?\d{1,2}){0,6})|\[(\d{1,2})\]",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+")
_WORD = re.compile(r"[a-z']+")

ABSENT = re.compile(
    r"\b(?:not|n't|no|without|neither|never)\b.{0,60}\b(?:mention|provid|specif|information|state|contain|address|giv"
    r"|answer|explicit|clear|discuss|offer|detail|includ|indicat|confirm|determin)"
    r"|\bunable\b|\bcannot\b|\binsufficient",
    re.IGNORECASE,
)
HEDGE = re.compile(
    r"\b(?:may|might|could|likely|possibl[ey]|perhaps|appears?|seems?|suggests?|generally|typically|usually|often"
    r"|probably|potentially)\b",
    re.IGNORECASE,
)
TURN = re.compile(
    r"\b(?:therefore|thus|overall|in (?:summary|conclusion|general)"
    r"|it(?:'s| is) (?:important|recommended|worth|essential|also)|please note|note that|additionally|furthermore"
    r"|however|remember|consult|hope this|let me know)\b",
    re.IGNORECASE,
)
META = re.compile(
    r"based on (?:the |these )?(?:provided |given |above )?(?:passages?|information|context|text)"
    r"|according to (?:the )?(?:passages?|context)|passages? \d|here (?:is|are)|the (?:given |provided )?passages?",
    re.IGNORECASE,
)
ITEM = re.compile(r"\s*(?:[*\-•]|\d+[.)])")

# What points into the context or numbers a list is no number of the claim: "(Passage 2)", "[1]", "3." at a line start.
POINTER = re.compile(
    r"\(?\b(?:passages?|sources?|documents?|context|steps?) {0,2}#?\d+"
    r"(?: {0,2}(?:,|and|&|-|to) {0,2}(?:passages? )?\d+){0,9}\)?"
    r"|\[\d{1,3}\]|^[ \t]{0,8}\d{1,3}[.)](?=\s)",
    re.IGNORECASE | re.MULTILINE,
)

NEGATIONS = frozenset(
    {"no", "not", "never", "none", "cannot", "without", "neither", "nor", "unable", "hardly"}
    | {f"{verb}n't" for verb in ("ca", "do", "does", "did", "is", "are", "was", "were", "wo", "could", "should")}
    | {f"{verb}n't" for verb in ("would", "has", "have", "had")}
)


def cited(text: str) -> list[int]:
    """Numbers of the passages that a text refers to, in order, each once.

    >>> cited("Passages 1 and 3 say so [2].")
    [1, 2, 3]
    """
    found = _CITED.findall(text)
    return sorted({int(number) for listed, single in found for number in _NUMBER.findall(listed or single)})


def negations(text: str) -> int:
    """How many words deny.

    >>> negations("It isn't so, and never was.")
    2
    """
    return sum(word in NEGATIONS for word in _WORD.findall(text.lower().replace("’", "'")))
