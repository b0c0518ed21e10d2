from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.worker.drawing import nucleus
from monitor.worker.writing import Writer


def written(writer: Writer, pieces: list[bytes]) -> list[str]:
    return [writer.feed(piece) for piece in pieces] + [writer.finish()]


def test_a_character_spread_over_tokens_comes_whole() -> None:
    assert written(Writer(), [b"a\xf0", b"\x9f", b"\x98\x80b"]) == ["a", "", "😀b", ""]


def test_what_is_no_utf8_becomes_the_replacement_character() -> None:
    assert "".join(written(Writer(), [b"a\xff", b"b\xc3"])) == "a�b�"


def test_a_stop_text_across_tokens_is_never_given_out() -> None:
    writer = Writer(["\n##"])
    assert written(writer, [b"so\n", b"#", b"# more"]) == ["so", "", "", ""]
    assert (writer.stopped, writer.length) == (True, 2)


def test_what_only_looked_like_a_stop_text_is_given_out_later() -> None:
    writer = Writer(["\n##", "END"])
    assert written(writer, [b"a\n#", b"b E", b"N"]) == ["a", "\n#b ", "", "EN"]
    assert not writer.stopped


def test_the_first_of_several_stop_texts_counts() -> None:
    writer = Writer(["zz", "b"])
    assert writer.feed(b"a b zz") == "a "
    assert writer.length == 2


PIECES = st.text(alphabet="ab\n#é😀", max_size=30).map(str.encode)


@given(
    whole=PIECES,
    cuts=st.lists(st.integers(0, 120), max_size=12),
    stop=st.lists(st.sampled_from(["ab", "\n##", "é", "b#"])),
)
def test_cuts_change_nothing(whole: bytes, cuts: list[int], stop: list[str]) -> None:
    places = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    pieces = [whole[first:last] for first, last in pairwise(places)]
    found = [place for each in stop if (place := whole.find(each.encode())) >= 0]
    writer = Writer(stop)
    assert "".join(written(writer, pieces)) == whole[: min(found, default=len(whole))].decode()
    assert writer.stopped == bool(found)


def test_a_nucleus_is_the_fewest_tokens_with_the_mass() -> None:
    rng = np.random.default_rng(0)
    share = rng.dirichlet(np.ones(50)).astype(np.float32)
    order = np.argsort(-share)
    count = int((np.cumsum(share[order]) < 0.6).sum()) + 1
    drawn = [nucleus(np.log(share), 1.0, 0.6, uniform) for uniform in np.linspace(0, 0.9999, 4000)]
    kept = share[order[:count]] / share[order[:count]].sum()
    assert set(drawn) == set(order[:count].tolist())
    assert np.bincount(drawn, minlength=50)[order[:count]] / 4000 == pytest.approx(kept, abs=1e-3)
