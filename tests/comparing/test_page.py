import re
from html.parser import HTMLParser

import pytest

from monitor.comparing import compare, page
from monitor.model.comparison import Comparison, Given

from .conftest import Make

VOID = {"meta", "line", "br"}


class Reader(HTMLParser):
    """Checks that what is opened is closed, and keeps tags and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def found(side: Make) -> Comparison:
    march, june = side("<march>", 1), side("june & co", 2, longer=30.0, cut=0.4, moved=0.8)
    return compare(march, june)


def test_the_page_is_whole_and_needs_nothing_from_outside(found: Comparison) -> None:
    reader = Reader()
    written = page(found)
    reader.feed(written)
    assert reader.open == []
    assert not {"script", "link", "img", "iframe", "form", "a"} & set(reader.tags)
    assert not [name for name, _ in reader.attributes if name.startswith("on") or name in ("style", "src", "href")]
    assert "url(" not in written


def test_the_policy_allows_the_one_style_sheet_and_nothing_else(found: Comparison) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page(found))
    assert policy is not None
    assert policy[1].startswith("default-src &#x27;none&#x27;;")
    assert "unsafe" not in policy[1]


def test_texts_are_escaped(found: Comparison) -> None:
    written = page(found)
    assert "&lt;march&gt;" in written
    assert "<march>" not in written
    assert "june &amp; co" in written


def test_every_signal_has_a_row_and_a_chart(found: Comparison) -> None:
    written = page(found)
    assert written.count("<tr class=") == len(found.findings) == 6
    assert written.count('<svg class="chart"') == 6
    assert written.count('class="exchange now"') == 3 * len(found.changed)


def test_the_number_of_other_signals_is_told(found: Comparison) -> None:
    assert f"The other signals ({len(found.findings) - len(found.changed)})" in page(found)


def test_traces_without_a_time_of_their_own_show_none(side: Make) -> None:
    march, june = side("march", 1, 60), side("june", 2, 60, longer=60.0)
    untimed = [Given(given.name, given.scored, timed=False) for given in (march, june)]
    assert "2026" in page(compare(march, june))
    assert "2026" not in page(compare(*untimed))
