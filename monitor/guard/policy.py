"""A policy: rules, what each does when it fires, and how long it may take."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from monitor.model.guarded import Mode, Stage

OnError = Literal["allow", "deny"]
Reads = Literal["prompt", "messages", "context", "output"]
Share = Annotated[float, Meta(gt=0, le=1)]
RuleName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
Characters = Annotated[int, Meta(ge=1, le=10_000_000)]


class ByScore(Struct, frozen=True, forbid_unknown_fields=True, tag_field="check", tag="score"):
    """A score of the catalogue reaches a threshold, set by hand or by a certificate: its number, or promise and level.

    ``certificate: 12``, or ``certificate: missed 0.1`` for the newest of that promise on this score.
    """

    score: str
    threshold: Share | None = None
    certificate: int | str | None = None


class BySize(Struct, frozen=True, forbid_unknown_fields=True, tag_field="check", tag="size"):
    """A text is longer than so many characters; its score is 1 − limit/length."""

    characters: Characters
    reads: Reads | None = None


class ByInjection(Struct, frozen=True, forbid_unknown_fields=True, tag_field="check", tag="injection"):
    """A text tries to change the instructions, by what it says; see ``monitor.guard.rules.injection``."""

    threshold: Share = 0.5
    reads: Reads | None = None


class BySecrets(Struct, frozen=True, forbid_unknown_fields=True, tag_field="check", tag="secrets"):
    """A text holds a key, a token or a password in a form that is known."""

    reads: Reads | None = None


class ByPersonalData(Struct, frozen=True, forbid_unknown_fields=True, tag_field="check", tag="pii"):
    """A text holds personal data, by Presidio: ``threshold`` is its confidence.

    Without a spaCy ``model`` (such as en_core_web_sm) only what has a form is found: no names of people and places.
    """

    entities: Annotated[tuple[str, ...], Meta(min_length=1)] = (
        "EMAIL_ADDRESS", "CREDIT_CARD", "IBAN_CODE", "PHONE_NUMBER", "US_SSN", "CRYPTO",
    )  # fmt: skip
    threshold: Share = 0.4
    reads: Reads | None = None
    language: str = "en"
    model: str | None = None


class BySimilarity(Struct, frozen=True, forbid_unknown_fields=True, tag_field="check", tag="similarity"):
    """A text means nearly what one of the examples does: the largest cosine of their embeddings, below 0 taken as 0.

    Of a text of more ``characters`` its beginning and its end are read, half of them each: the encoder's time grows
    with its tokens, and the deadline does not.
    """

    examples: Annotated[tuple[str, ...], Meta(min_length=1, max_length=10_000)]
    threshold: Share
    reads: Reads | None = None
    characters: Characters = 600


class ByClassifier(Struct, frozen=True, forbid_unknown_fields=True, tag_field="check", tag="classifier"):
    """An ONNX text classifier gives ``label`` at least this probability; ``folder`` is relative to the policy's."""

    folder: str
    label: str
    threshold: Share = 0.5
    reads: Reads | None = None


Check = ByScore | BySize | ByInjection | BySecrets | ByPersonalData | BySimilarity | ByClassifier


class Rule(Struct, frozen=True, forbid_unknown_fields=True):
    """When a check fires at a stage, the verdict is ``then``, as far as the mode lets it.

    Mode shadow only notes it, warn lets the exchange pass with a warning, enforce does it. ``on_error`` is what an
    error or a missing result counts for; that of the policy unless given. ``partial`` says whether it is asked of
    answers that are still being written; by the kind of check unless given.
    """

    name: RuleName
    stage: Stage
    when: Check
    then: Literal["warn", "abstain", "deny"]
    mode: Mode = "shadow"
    on_error: OnError | None = None
    partial: bool | None = None


class Stream(Struct, frozen=True, forbid_unknown_fields=True):
    """How answers are checked while they are written: after every ``window`` characters, and the last ``holdback``
    characters are not given out before more was checked behind them."""

    window: Annotated[int, Meta(ge=16, le=100_000)] = 200
    holdback: Annotated[int, Meta(ge=0, le=100_000)] = 80


class Policy(Struct, frozen=True, forbid_unknown_fields=True):
    """Rules under a name; ``replacement`` is said where a rule abstains, ``refusal`` where one denies."""

    version: Literal[1]
    name: RuleName
    rules: Annotated[tuple[Rule, ...], Meta(min_length=1, max_length=200)]
    deadline_ms: Annotated[float, Meta(gt=0, le=60_000)] = 50.0
    on_error: OnError = "allow"
    replacement: Annotated[str, Meta(min_length=1, max_length=4_000)] = "I don't know."
    refusal: Annotated[str, Meta(min_length=1, max_length=4_000)] = "I can't help with that."
    stream: Stream = Stream()


def reads_of(rule: Rule) -> Reads:
    """The text a rule reads: the last question before the model is asked, the answer after."""
    given = None if isinstance(rule.when, ByScore) else rule.when.reads
    return given or ("prompt" if rule.stage == "input" else "output")


def threshold_of(check: Check) -> float | None:
    """None where there is none: any secret is one, and a size is a number of characters."""
    return None if isinstance(check, BySize | BySecrets) else check.threshold


def hash_of(policy: Policy) -> str:
    """Names the rules exactly: the same policy in other words has the same hash."""
    return hashlib.sha256(msgspec.json.encode(policy, order="deterministic")).hexdigest()[:12]
