"""The fields of a trace record that a column may be mapped to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from monitor.model.trace import Trace

Kind = Literal["text", "integer", "number", "boolean", "instant", "structure", "prompt", "response", "finish_reason"]

# Names that need no knowledge of the record. The first three are texts that the record keeps inside messages.
SHORTCUTS: Mapping[str, str] = MappingProxyType(
    {
        "prompt": "prompt",
        "response": "response",
        "finish_reason": "finish_reason",
        "messages": "input_messages",
        "passages": "context",
        "model": "model.name",
        "build": "model.version",
        "tenant": "segment.tenant",
        "user": "segment.user_id",
        "session": "segment.session_id",
        "environment": "service.environment",
        "template": "prompt_template.name",
        "temperature": "request.temperature",
        "max_tokens": "request.max_tokens",
        "input_tokens": "usage.input_tokens",
        "output_tokens": "usage.output_tokens",
        "latency": "timing.total_s",
        "time_to_first_token": "timing.ttft_s",
        "logprobs": "logprobs.logprob",
        "tokens": "logprobs.tokens",
    }
)
OPEN = ("segment.labels", "extra")


@dataclass(frozen=True, slots=True)
class Target:
    """A field of the record: the path to it, how values are converted, and its type."""

    path: tuple[str, ...]
    kind: Kind
    type: Any

    def __str__(self) -> str:
        return ".".join(self.path)

    @property
    def seconds(self) -> bool:
        return self.path[-1].endswith("_s")


def plain(type_: Any) -> Any:
    """The type without ``Annotated`` and ``None``."""
    if get_origin(type_) is Annotated:
        return plain(get_args(type_)[0])
    if get_origin(type_) in (Union, UnionType):
        options = [option for option in get_args(type_) if option is not type(None)]
        return plain(options[0]) if len(options) == 1 else type_
    return type_


def kind_of(type_: Any) -> Kind:
    bare = plain(type_)
    if get_origin(bare) is Literal:
        return "text"
    kinds: dict[Any, Kind] = {
        str: "text", int: "integer", float: "number", bool: "boolean", datetime: "instant",
    }  # fmt: skip
    return kinds.get(bare, "structure")


def fields(struct: Any, above: tuple[str, ...]) -> dict[str, Target]:
    """The targets in a struct and in the structs it holds, by dotted path."""
    found: dict[str, Target] = {}
    for name, type_ in get_type_hints(struct, include_extras=True).items():
        path = (*above, name)
        bare = plain(type_)
        found[".".join(path)] = Target(path, kind_of(type_), type_)
        if isinstance(bare, type) and issubclass(bare, msgspec.Struct):
            found |= fields(bare, path)
    return found


def known_targets() -> dict[str, Target]:
    """Every field of the record by dotted path, and the three texts kept inside messages."""
    found = {path: target for path, target in fields(Trace, ()).items() if path != "schema_version"}
    texts: tuple[Kind, ...] = ("prompt", "response", "finish_reason")
    return found | {kind: Target((kind,), kind, str) for kind in texts}


def find(name: str, known: Mapping[str, Target]) -> Target | None:
    """The target of that name, shortcut, or open path (``segment.labels.NAME``, ``labels.NAME``, ``extra.NAME``)."""
    full = SHORTCUTS.get(name, name)
    full = f"segment.{full}" if full.startswith("labels.") else full
    if full in known:
        return known[full]
    for prefix in OPEN:
        if full.startswith(f"{prefix}.") and len(full) > len(prefix) + 1:
            path = (*prefix.split("."), full.removeprefix(f"{prefix}."))
            return Target(path, "text" if prefix == "segment.labels" else "structure", Any)
    return None
