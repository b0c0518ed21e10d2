"""Settings as a process starts with them: read and checked once, and told what is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from monitor.errors import Permanent
from monitor.kafka.config import KafkaConfig
from monitor.settings import PREFIX, Settings

# Variables of ours that are not settings of the program.
OTHERS = {"DRIFTWARDEN_CONFIG", "DRIFTWARDEN_CACHE", "DRIFTWARDEN_SHARED_DATA"}


def load_settings(**defaults: Any) -> Settings:
    """The settings, or Permanent with one line per wrong one: its name, the limit and what was found.

    ``defaults`` fill what neither the environment nor the file says, by section: ``database={"url": …}``.
    """
    unknown = [name for name in os.environ if name.startswith(PREFIX) and name not in OTHERS and not known(name)]
    if unknown:
        sections = ", ".join(f"{PREFIX}{name.upper()}__…" for name in Settings.model_fields)
        raise Permanent(f"unknown settings: {', '.join(sorted(unknown))}; expected {sections}")
    try:
        settings = Settings()
        missing = {
            section: values
            for section, values in defaults.items()
            if any(getattr(getattr(settings, section), name, None) is None for name in values)
        }
        return with_defaults(settings, missing) if missing else settings
    except ValidationError as error:
        raise Permanent("\n".join(told(problem) for problem in error.errors())) from error
    except ValueError as error:  # a file that is not TOML, a variable that is not JSON
        raise Permanent(f"settings: {error}") from error


def with_defaults(settings: Settings, defaults: Mapping[str, Mapping[str, Any]]) -> Settings:
    """The settings with sections filled up where they were left out."""
    replaced = {}
    for section, values in defaults.items():
        current = getattr(settings, section)
        kind = KafkaConfig if section == "kafka" else type(current)
        have = {} if current is None else {name: getattr(current, name) for name in current.__dataclass_fields__}
        replaced[section] = kind(**{**values, **{name: value for name, value in have.items() if value is not None}})
    return settings.model_copy(update=replaced)


def known(name: str) -> bool:
    section = name.removeprefix(PREFIX).partition("__")[0].lower()
    return section in Settings.model_fields


def told(problem: Any) -> str:
    path = "__".join(str(part) for part in problem["loc"]).upper()
    if problem["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"{PREFIX}{path}: there is no such setting"
    message = problem["msg"].removeprefix("Value error, ")
    found = problem.get("input")
    shown = (
        f", got {found!r}" if isinstance(found, (int, float)) or (isinstance(found, str) and len(found) < 60) else ""
    )
    secret = any(word in path.lower() for word in ("password", "secret", "token", "url"))
    return f"{PREFIX}{path}: {message}{'' if secret else shown}"
