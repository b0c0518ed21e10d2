from typing import Any

import pytest

from monitor.model.feedback import opinions_of, says_bad
from tests.stores import START, decoded, line


@pytest.mark.parametrize(
    ("kind", "value", "bad"),
    [
        ("thumb", "up", False), ("thumb", " Down ", True), ("thumb", None, None), ("thumb", 7, None),
        ("rating", 1, True), ("rating", 2.5, True), ("rating", 3, None), ("rating", 4, False), ("rating", True, None),
        ("rating", "5", None),
        ("correction", "It is Rome.", True),
        ("label", "hallucinated", True), ("label", "grounded", False), ("label", "interesting", None),
        ("label", {"bad": False}, False), ("label", {"bad": "yes"}, None), ("label", True, None), ("label", [1], None),
    ],
)  # fmt: skip
def test_what_people_said_is_bad_good_or_neither(kind: Any, value: Any, bad: bool | None) -> None:
    assert says_bad(kind, value) is bad


def test_feedback_within_a_trace_is_of_its_time_unless_it_says_another() -> None:
    said = [{"kind": "thumb", "value": "down"}, {"kind": "label", "value": "good", "time": "2090-05-02T00:00:00Z"}]
    (item,) = decoded([line(1, feedback=said)])
    first, second = opinions_of([item.trace])
    assert (first.tenant, first.id, first.at, first.bad) == ("acme", "t1", START, True)
    assert (second.at.isoformat(), second.bad) == ("2090-05-02T00:00:00+00:00", False)
