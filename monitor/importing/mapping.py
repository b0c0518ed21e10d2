"""Which column of a file goes to which field of the record."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from monitor.errors import Permanent
from monitor.importing.converting import Calendar, Unusable, convert
from monitor.importing.row import Row, lookup, suggestion
from monitor.importing.targets import SHORTCUTS, Target, find, known_targets

# Recognised where no column was named, the likeliest first. A bare ``id`` is not among them: it is as often the
# question's as the exchange's, and two exchanges with one id would be taken for one.
USUAL = (
    ("id", ("request_id", "exchange_id", "completion_id", "response_id", "uuid")),
    ("prompt", ("prompt", "question", "query", "input", "instruction", "user_message", "user_input", "model_input")),
    ("messages", ("messages", "input_messages")),
    ("response", (
        "response", "answer", "output", "completion", "reply", "generated_answer", "generated_text", "model_output",
        "model_output_text", "output_text", "assistant",
    )),
    ("model", ("model", "model_name", "model_id")),
    ("time", ("time", "timestamp", "created_at", "created", "datetime", "date")),
    ("context", ("context", "contexts", "passages", "documents", "retrieved_contexts")),
    ("tenant", ("tenant", "tenant_id", "customer", "organization")),
    ("session", ("session_id", "session", "conversation_id")),
    ("finish_reason", ("finish_reason", "stop_reason")),
    ("input_tokens", ("input_tokens", "prompt_tokens")),
    ("output_tokens", ("output_tokens", "completion_tokens", "answer_token")),
    ("latency", ("latency", "latency_s", "latency_ms", "duration_s", "duration_ms")),
    ("temperature", ("temperature",)),
)  # fmt: skip
PER_UNIT = {"_ms": 1e3, "_us": 1e6, "_ns": 1e9}


@dataclass(frozen=True, slots=True)
class Column:
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Constant:
    value: str

    def __str__(self) -> str:
        return f"'{self.value}'"


@dataclass(frozen=True, slots=True)
class RowNumber:
    def __str__(self) -> str:
        return "@row"


@dataclass(frozen=True, slots=True)
class FileName:
    def __str__(self) -> str:
        return "@file"


Origin = Column | Constant | RowNumber | FileName


@dataclass(frozen=True, slots=True)
class Rule:
    """A field and where its value comes from."""

    target: Target
    origin: Origin

    def value(self, row: Row, file: str, calendar: Calendar) -> Any:
        """The field's value for a row, None where the row has none; raises Unusable."""
        try:
            return convert(self.scaled(self.given(row, file)), self.target, calendar)
        except Unusable as error:
            raise Unusable(f"{self.target} from {self.origin}: {error}") from error

    def fits(self, row: Row, calendar: Calendar) -> bool:
        try:
            self.value(row, "", calendar)
        except Unusable:
            return False
        return True

    def given(self, row: Row, file: str) -> Any:
        match self.origin:
            case Column(name):
                return lookup(row.values, name)
            case Constant(value):
                return value
            case RowNumber():
                return str(row.number)
            case FileName():
                return file
            case _:
                assert_never(self.origin)

    def scaled(self, value: Any) -> Any:
        """Seconds, where the column's name says that it holds milliseconds, microseconds or nanoseconds."""
        unit = PER_UNIT.get(str(self.origin)[-3:].lower()) if isinstance(self.origin, Column) else None
        if unit is None or not self.target.seconds or value in (None, ""):
            return value
        try:
            return float(value) / unit
        except (TypeError, ValueError):
            return value


@dataclass(frozen=True, slots=True)
class Mapping:
    """The rules of an import, at most one per field.

    >>> print(Mapping.parse(["prompt=query", "model='bot'"]))
    prompt = query, model.name = 'bot'
    """

    rules: tuple[Rule, ...] = ()

    @staticmethod
    def parse(texts: Sequence[str]) -> Mapping:
        """Rules from ``TARGET=COLUMN``, ``TARGET='text'``, ``TARGET=@row`` and ``TARGET=@file``.

        Raises:
            Permanent: a target is unknown or named twice; the message says which names are close.
        """
        mapping = Mapping()
        for text in texts:
            name, equals, origin = (part.strip() for part in text.partition("="))
            if not (name and equals and origin):
                raise Permanent(f"{text!r}: expected TARGET=COLUMN or TARGET='text', such as prompt=question")
            mapping = mapping.plus(name, origin_of(origin))
        return mapping

    def plus(self, name: str, origin: Origin) -> Mapping:
        """The mapping with one more rule."""
        known = known_targets()
        target = find(name, known)
        if target is None:
            raise Permanent(f"unknown target {name!r}{suggestion(name, [*SHORTCUTS, *known])}")
        if target.path in self.paths:
            raise Permanent(f"{target} is mapped twice")
        return Mapping((*self.rules, Rule(target, origin)))

    def guessed(self, sample: Sequence[Row], calendar: Calendar) -> Mapping:
        """The mapping with a rule for each field that has none and whose usual name is a column's.

        A column is passed over where less than half of the sampled values can be what the field holds.
        """
        named = {re.sub(r"\W+", "_", column.lower()).strip("_"): column for column in reversed(columns_of(sample))}
        mapping = self
        for name, usual in USUAL:
            for column in (named[each] for each in usual if each in named):
                if mapping.has(name):
                    break
                wider = mapping.plus(name, Column(column))
                if 2 * sum(wider.rules[-1].fits(row, calendar) for row in sample) >= len(sample):
                    mapping = wider
        return mapping

    def has(self, name: str) -> bool:
        """Whether the field is filled; ``prompt`` is by messages too, and the other way round."""
        groups = ({"prompt", "input_messages", "prompt_text"}, {"response", "output_messages"})
        full = SHORTCUTS.get(name, name)
        names = next((group for group in groups if full in group), {full})
        return any(".".join(path) in names for path in self.paths)

    @property
    def paths(self) -> set[tuple[str, ...]]:
        return {rule.target.path for rule in self.rules}

    def check(self, columns: Sequence[str]) -> None:
        """Raises Permanent where a column does not exist or a required field has no rule."""
        for rule in self.rules:
            if isinstance(rule.origin, Column) and not {rule.origin.name, rule.origin.name.split(".")[0]} & set(
                columns
            ):
                close = suggestion(rule.origin.name, columns)
                raise Permanent(f"{rule.target} = {rule.origin}: the file has no column {rule.origin.name!r}{close}")
        required = {"prompt": "COLUMN", "response": "COLUMN", "model": "COLUMN or --set model=NAME"}
        for name, how in required.items():
            if not self.has(name):
                there = ", ".join(columns)
                raise Permanent(f"no column for {name}: say --map {name}={how}; the file has: {there}")

    def __str__(self) -> str:
        return ", ".join(f"{rule.target} = {rule.origin}" for rule in self.rules)


def columns_of(sample: Sequence[Row]) -> list[str]:
    """The columns of the rows, in the order they appear."""
    return list(dict.fromkeys(column for row in sample for column in row.values))


def origin_of(text: str) -> Origin:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return Constant(text[1:-1])
    match text:
        case "@row":
            return RowNumber()
        case "@file":
            return FileName()
        case _ if text.startswith("@"):
            raise Permanent(f"unknown {text!r}: there are @row (its number) and @file (the file's name)")
        case _:
            return Column(text)
