"""Messages to the text a model was trained on, by the chat template that its folder carries."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from monitor.errors import Permanent

Messages = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """A Jinja template as Hugging Face has them: it is given messages, documents and the special tokens.

    ``hash`` begins the sha256 of its source: deployments whose prompts are made otherwise differ in it.
    """

    source: str
    hash: str
    _template: Any = field(repr=False)
    _special: Mapping[str, str] = field(repr=False)

    @classmethod
    def parse(cls, source: str, special: Mapping[str, str]) -> Self:
        """Raises Permanent where it is no template."""
        from jinja2 import TemplateSyntaxError  # noqa: PLC0415 - of the extra `worker`
        from jinja2.sandbox import ImmutableSandboxedEnvironment  # noqa: PLC0415

        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = refuse
        try:
            template = environment.from_string(source)
        except TemplateSyntaxError as error:
            raise Permanent(f"chat template, line {error.lineno}: {error.message}") from error
        return cls(source, hashlib.sha256(source.encode()).hexdigest()[:16], template, special)

    def render(self, messages: Messages, documents: Sequence[Mapping[str, str]] = ()) -> str:
        """The prompt, up to where the answer begins.

        Raises:
            ValueError: the template refuses the messages, or does not know what to do with them.
        """
        from jinja2 import TemplateError  # noqa: PLC0415

        try:
            rendered: str = self._template.render(
                messages=messages, documents=list(documents) or None, add_generation_prompt=True, **self._special
            )
        except (TemplateError, TypeError) as error:
            raise ValueError(f"messages: the chat template says: {error}") from error
        return rendered


def refuse(message: str) -> None:
    raise ValueError(message)
