"""What callers of OpenAI's API may add to a request under ``driftwarden``, for its trace and for the guard."""

from __future__ import annotations

from msgspec import Struct

from monitor.model.trace import Document, Labels, Name, PromptTemplate, Retrieval


class TraceFields(Struct, frozen=True, forbid_unknown_fields=True):
    """What the caller knows of an exchange and the trace should say."""

    segment: Labels = Labels()
    prompt_template: PromptTemplate | None = None
    retrieval: Retrieval | None = None


class Extension(Struct, frozen=True, forbid_unknown_fields=True):
    """``context`` are the passages that the answer should rest on: they go into the trace, to the guard, and to chat
    templates that read ``documents``; ``policy`` names one of the guard's."""

    context: list[str | Document] = []
    trace: TraceFields = TraceFields()
    policy: Name | None = None


def documents(extension: Extension) -> list[Document]:
    """The passages; those without an id are named by their place."""
    return [
        Document(str(place), passage) if isinstance(passage, str) else passage
        for place, passage in enumerate(extension.context)
    ]
