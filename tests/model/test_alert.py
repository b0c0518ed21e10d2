from hypothesis import given
from hypothesis import strategies as st

from monitor.model.alert import fingerprint

labels = st.dictionaries(st.text(alphabet="abc=,", max_size=4), st.text(alphabet="abc=,", max_size=4), max_size=3)


def test_fingerprints_never_change() -> None:
    """Receivers group by them."""
    assert fingerprint({"kind": "drift", "segment": "all"}) == "f16b8527cdb34ac3"


@given(labels, labels)
def test_other_labels_have_another_fingerprint(one: dict[str, str], other: dict[str, str]) -> None:
    assert (fingerprint(one) == fingerprint(other)) == (one == other)


@given(labels)
def test_the_order_of_labels_is_no_matter(found: dict[str, str]) -> None:
    assert fingerprint(dict(reversed(found.items()))) == fingerprint(found)
