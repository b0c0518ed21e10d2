"""Which traces are wanted, as conditions over ``v_traces``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from monitor.model.segment import Segment

# Where the value of a label stands, as `label_value` reads it from a trace.
COLUMNS = {
    "build": "t.build", "model": "t.model", "prompt_template": "t.prompt_template", "tenant": "t.tenant",
    "environment": "t.environment", "service": "t.record::jsonb #>> '{service,name}'",
}  # fmt: skip


ALL = Segment()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Traces of a segment, from ``since`` to before ``until`` by event time."""

    since: datetime | None = None
    until: datetime | None = None
    segment: Segment = ALL

    def conditions(self) -> tuple[str, Mapping[str, Any]]:
        """SQL over ``v_traces AS t``, and its values.

        >>> Wanted(segment=Segment.of(tenant="acme")).conditions()
        ('true AND t.tenant = :segment_0', {'segment_0': 'acme'})
        """
        conditions, values = ["true"], dict[str, Any]()
        if self.since is not None:
            conditions.append("t.time >= :since")
            values["since"] = self.since
        if self.until is not None:
            conditions.append("t.time < :until")
            values["until"] = self.until
        for place, (label, value) in enumerate(self.segment.pairs):
            column = COLUMNS.get(label)
            if column is None:
                column = f"t.record::jsonb #>> ARRAY['segment', 'labels', :label_{place}]"
                values[f"label_{place}"] = label.removeprefix("labels.")
            conditions.append(f"{column} = :segment_{place}")
            values[f"segment_{place}"] = value
        return " AND ".join(conditions), values
