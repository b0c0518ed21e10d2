import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.model.segment import Segment, label_value, segments_of
from monitor.model.trace import Trace

LABELLED = {
    "id": "t1",
    "schema_version": "1.0",
    "time": "2026-05-01T12:00:00Z",
    "model": {"name": "bot", "precision": "fp16"},
    "output_messages": [],
    "prompt_text": "?",
    "prompt_template": {"name": "qa", "version": "3"},
    "service": {"name": "shop", "environment": "prod"},
    "segment": {"tenant": "acme", "labels": {"team": "blue"}},
}


def trace(**fields: object) -> Trace:
    return msgspec.convert({**LABELLED, **fields}, Trace, strict=False)


names = st.sampled_from(["build", "tenant", "model", "labels.team", "environment"])
values = st.text(max_size=12) | st.text(alphabet=",%=25C2all ", max_size=12)


@given(st.dictionaries(names, values, max_size=4))
def test_a_segment_is_read_back_from_its_text_whatever_its_values(labels: dict[str, str]) -> None:
    segment = Segment.of(**labels)

    assert Segment.parse(str(segment)) == segment


@given(st.dictionaries(names, values, max_size=4), st.dictionaries(names, values, max_size=4))
def test_two_segments_never_share_a_text(one: dict[str, str], other: dict[str, str]) -> None:
    assert (str(Segment.of(**one)) == str(Segment.of(**other))) == (one == other)


@pytest.mark.parametrize(
    ("segment", "text"),
    [
        (Segment(), "all"),
        (Segment.of(tenant="acme", build="bot:1"), "build=bot:1,tenant=acme"),
        (Segment.of(tenant="a,b"), "tenant=a%2Cb"),
        (Segment.of(tenant="%2C"), "tenant=%252C"),
        (Segment.of(tenant="x=y"), "tenant=x=y"),
        (Segment.of(tenant=""), "tenant="),
        (Segment.of(tenant="all"), "tenant=all"),
    ],
)
def test_texts_of_segments_never_change(segment: Segment, text: str) -> None:
    """They are keys of the database."""
    assert (str(segment), Segment.parse(text)) == (text, segment)


def test_all_traffic_sorts_first() -> None:
    assert sorted([Segment.of(build="a"), Segment(), Segment.of(tenant="")])[0] == Segment()


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("build", "bot:fp16-1b005d"),
        ("model", "bot"),
        ("prompt_template", "qa@3"),
        ("tenant", "acme"),
        ("environment", "prod"),
        ("service", "shop"),
        ("labels.team", "blue"),
        ("labels.floor", None),
    ],
)
def test_each_label_reads_its_field(label: str, value: str | None) -> None:
    assert label_value(trace(), label) == value


def test_a_trace_lies_in_the_watched_segments_whose_labels_it_has() -> None:
    watched = [(), ("tenant",), ("tenant", "environment"), ("labels.floor",), ("tenant", "labels.floor")]

    assert segments_of(trace(), watched) == [
        Segment(),
        Segment.of(tenant="acme"),
        Segment((("environment", "prod"), ("tenant", "acme"))),
    ]
    assert segments_of(trace(segment={}, service={}), watched) == [Segment()]
    assert segments_of(trace(prompt_template={"version": "3"}), [("prompt_template",)]) == []
