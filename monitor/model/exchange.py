"""One request to the worker and what became of it, before it is a trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from monitor.model.check import Decision
from monitor.model.generation import Job
from monitor.model.trace import Document, InputMessage, Labels, PromptTemplate, RequestOptions, Retrieval

Operation = Literal["chat", "text_completion"]


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """W3C trace context of the request and of its span."""

    trace_id: str
    span_id: str
    parent_span_id: str | None = None

    @property
    def header(self) -> bytes:
        return f"00-{self.trace_id}-{self.span_id}-01".encode()


@dataclass(frozen=True, slots=True, eq=False)
class Exchange:
    """All there is to say of one request, gathered while it was answered; made a trace later, by another thread."""

    id: str
    operation: Operation
    at: datetime
    ended_at: datetime
    requested: str
    options: RequestOptions
    messages: Sequence[InputMessage]
    prompt_text: str | None
    context: Context
    job: Job | None
    error: str | None = None
    documents: Sequence[Document] = ()
    segment: Labels = field(default_factory=Labels)
    template: PromptTemplate | None = None
    retrieval: Retrieval | None = None
    decisions: Sequence[Decision] = ()
