"""A policy file to a policy; a wrong one is refused with the name, the limit and what was found."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import msgspec.yaml
from msgspec import structs

from monitor.errors import Permanent
from monitor.guard.policy import ByClassifier, ByScore, Policy, Rule, reads_of
from monitor.model.feedback import Certificate
from monitor.model.scores import NAMES

PLACE = re.compile(r"^(?P<message>.*?)(?: - at `(?:key in )?\$(?P<path>.*)`)?$", re.DOTALL)
STEP = re.compile(r"\.?([^.\[\]]+)|\[(\d+)\]")
PROMISE = re.compile(r"(missed|clean) (0\.\d+)")
# From reference answers, token counts, attention and vectors of samples: known, if at all, when the answer was given.
NOT_CARRIED = ("quality.", "tokenization.", "attention.", "consistency.dispersion")
# Read off the passages alone, so that they are there before the model is asked.
BEFORE = ("retrieval.top_score", "retrieval.gap", "retrieval.overlap", "retrieval.age")


def read_policy(path: Path, certificates: Mapping[int, Certificate] | None = None) -> Policy:
    """The policy of a file. Raises Permanent with every fault of it, one on a line.

    ``certificates`` are those kept, by number; None where there is no database to ask.
    """
    try:
        body = path.read_bytes()
    except OSError as error:
        raise Permanent(f"policy {path}: {error.strerror}") from error
    policy = parse(body, str(path))
    faults = list(faults_of(policy, path.parent))
    rules = [resolved(rule, certificates, faults) for rule in policy.rules]
    if faults:
        raise Permanent("\n".join(f"policy {path}: {fault}" for fault in faults))
    return structs.replace(policy, rules=tuple(from_folder(rule, path.parent) for rule in rules))


def parse(body: bytes, name: str) -> Policy:
    """The policy that YAML spells out, each value within its own limits."""
    try:
        plain = msgspec.yaml.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Permanent(f"policy {name}: not YAML: {error}") from error
    try:
        return msgspec.convert(plain, Policy)
    except msgspec.ValidationError as error:
        raise Permanent(f"policy {name}: {told(str(error), plain)}") from error


def told(problem: str, plain: Any) -> str:
    """A complaint of msgspec with the name in front and the value behind.

    >>> told("Expected `float` <= 1.0 - at `$.rules[0].threshold`", {"rules": [{"threshold": 3}]})
    'rules[0].threshold: expected `float` <= 1.0, got 3'
    """
    found = PLACE.match(problem)
    assert found is not None
    message, path = found["message"], (found["path"] or "").lstrip(".")
    value = at(plain, path)
    shown = "" if isinstance(value, dict | list) or value is None else f", got {str(value)[:60]!r}"
    if isinstance(value, int | float):
        shown = f", got {value}"
    return f"{path + ': ' if path else ''}{message[:1].lower()}{message[1:]}{shown}"


def at(plain: Any, path: str) -> Any:
    """What stands at a path such as ``rules[0].threshold``; None where the path leads nowhere."""
    for name, number in STEP.findall(path):
        try:
            plain = plain[int(number)] if number else plain[name]
        except (KeyError, IndexError, TypeError):
            return None
    return plain


def faults_of(policy: Policy, folder: Path) -> Iterator[str]:
    """What is wrong though each value by itself is right."""
    for name, count in Counter(rule.name for rule in policy.rules).items():
        if count > 1:
            yield f"rules: expected names that differ, got {name!r} {count} times"
    for rule in policy.rules:
        yield from (f"rule {rule.name}: {fault}" for fault in faults_of_rule(rule, folder))


def faults_of_rule(rule: Rule, folder: Path) -> Iterator[str]:
    check = rule.when
    if isinstance(check, ByScore):
        yield from faults_of_score(rule, check)
    elif rule.stage == "input" and reads_of(rule) == "output":
        yield "reads: expected prompt, messages or context at stage input, got 'output'"
    if isinstance(check, ByClassifier) and not (folder / check.folder).is_dir():
        yield f"when.folder: expected a folder, got {check.folder!r}"
    if rule.mode == "enforce" and rule.then == "warn":
        yield "then: expected abstain or deny in mode enforce, got 'warn' (mode warn does that)"


def faults_of_score(rule: Rule, check: ByScore) -> Iterator[str]:
    if check.score not in NAMES:
        yield f"when.score: expected one of {', '.join(NAMES)}, got {check.score!r}"
    elif check.score.startswith(NOT_CARRIED):
        yield f"when.score: {check.score} is read from what a check does not carry"
    elif rule.stage == "input" and check.score not in BEFORE:
        yield f"when.score: expected one of {', '.join(BEFORE)} at stage input, got {check.score!r}"
    if (check.threshold is None) == (check.certificate is None):
        yield "when: expected one of threshold and certificate"


def resolved(rule: Rule, certificates: Mapping[int, Certificate] | None, faults: list[str]) -> Rule:
    """The rule with the threshold of its certificate; what is wrong with it is added to ``faults``."""
    check = rule.when
    if not isinstance(check, ByScore) or check.certificate is None or check.threshold is not None:
        return rule
    if certificates is None:
        faults.append(f"rule {rule.name}: when.certificate needs the database: DRIFTWARDEN_DATABASE__URL is not set")
        return rule
    found = named(check.certificate, check.score, certificates)
    if found is None:
        known = [describe(number, kept) for number, kept in sorted(certificates.items()) if kept.score == check.score]
        there = f"one of {'; '.join(known)}" if known else f"none is kept of {check.score}"
        faults.append(
            f"rule {rule.name}: when.certificate: {there}, got {check.certificate!r} (see `driftwarden certify`)"
        )
        return rule
    # A threshold of 0 would flag whatever there is; the smallest float above it does the same within the limits.
    return structs.replace(rule, when=structs.replace(check, threshold=max(found.threshold, 5e-324)))


def named(wanted: int | str, score: str, certificates: Mapping[int, Certificate]) -> Certificate | None:
    """The certificate of a number, or the newest of a promise such as ``missed 0.1``; None unless of this score."""
    if isinstance(wanted, int):
        found = certificates.get(wanted)
        return found if found is not None and found.score == score else None
    said = PROMISE.fullmatch(wanted.strip())
    if said is None:
        return None
    alike = [
        number
        for number, kept in certificates.items()
        if (kept.score, kept.promise, kept.level) == (score, said[1], float(said[2]))
    ]
    return certificates[max(alike)] if alike else None


def describe(number: int, kept: Certificate) -> str:
    return f"{number} ({kept.promise} {kept.level:g})"


def from_folder(rule: Rule, folder: Path) -> Rule:
    check = rule.when
    if not isinstance(check, ByClassifier):
        return rule
    return structs.replace(rule, when=structs.replace(check, folder=str(folder / check.folder)))


def read_policies(paths: Sequence[Path], certificates: Mapping[int, Certificate] | None = None) -> list[Policy]:
    """The policies of several files, the first being the one that holds unless another is asked for."""
    policies = [read_policy(path, certificates) for path in paths]
    for name, count in Counter(policy.name for policy in policies).items():
        if count > 1:
            raise Permanent(f"policies: expected names that differ, got {name!r} {count} times")
    return policies


def wants_certificates(path: Path) -> bool:
    """Whether a policy names certificates, so that the database must be asked."""
    rules = parse(path.read_bytes(), str(path)).rules if path.is_file() else ()
    return any(isinstance(rule.when, ByScore) and rule.when.certificate is not None for rule in rules)
