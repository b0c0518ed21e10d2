"""Segments: slices of traffic that are judged on their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from monitor.model.build import build_of
from monitor.model.trace import Trace

LABELS = ("build", "model", "prompt_template", "tenant", "environment", "service")


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """A set of label=value pairs, sorted by label; the empty one is all traffic.

    >>> str(Segment.of(tenant="acme", build="bot:fp16-1"))
    'build=bot:fp16-1,tenant=acme'
    >>> str(Segment()), Segment.parse("tenant=acme").pairs
    ('all', (('tenant', 'acme'),))
    """

    pairs: tuple[tuple[str, str], ...] = ()

    @staticmethod
    def of(**labels: str) -> Segment:
        return Segment(tuple(sorted(labels.items())))

    @staticmethod
    def parse(text: str) -> Segment:
        if text == "all":
            return Segment()
        pairs = [pair.partition("=") for pair in text.split(",")]
        return Segment(
            tuple(sorted((label, value.replace("%2C", ",").replace("%25", "%")) for label, _, value in pairs))
        )

    def __str__(self) -> str:
        text = ",".join(f"{label}={value.replace('%', '%25').replace(',', '%2C')}" for label, value in self.pairs)
        return text or "all"

    @property
    def is_all(self) -> bool:
        return not self.pairs


def label_value(trace: Trace, label: str) -> str | None:
    """The value of a label on a trace, or None where the trace does not say.

    Labels are those of LABELS or ``labels.NAME`` for a producer's own.
    """
    match label:
        case "build":
            return build_of(trace)
        case "model":
            return trace.model.name
        case "prompt_template":
            template = trace.prompt_template
            return f"{template.name}@{template.version}" if template and template.name else None
        case "tenant":
            return trace.segment.tenant
        case "environment":
            return trace.service.environment
        case "service":
            return trace.service.name
        case _:
            return trace.segment.labels.get(label.removeprefix("labels."))


def segments_of(trace: Trace, watched: Sequence[Sequence[str]]) -> list[Segment]:
    """The watched segments a trace lies in; ``watched`` lists sets of labels, the empty set being all traffic."""
    found = []
    for labels in watched:
        values = [(label, label_value(trace, label)) for label in sorted(labels)]
        pairs = tuple((label, value) for label, value in values if value is not None)
        if len(pairs) == len(values):
            found.append(Segment(pairs))
    return found
