import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.guard.policy import Stream
from monitor.guard.streaming import StreamGuard
from monitor.model.check import CheckRequest, Decision
from tests.guard.support import engine, plan

SECRET = "AKIAIOSFODNN7EXAMPLE"
SECRETS = "{name: secrets, stage: output, mode: enforce, then: deny, when: {check: secrets}}"
CUT = (
    "{name: cut, stage: output, mode: enforce, then: abstain,"
    " when: {check: score, score: format.truncation, threshold: 0.9}}"
)
GUARD = engine(plan(SECRETS, head="deadline_ms: 60000"))


def stream(window: int = 40, holdback: int = 24) -> StreamGuard:
    return StreamGuard(GUARD.check, CheckRequest("output"), Stream(window, holdback))


def pieces(text: str, size: int) -> list[str]:
    return [text[place : place + size] for place in range(0, len(text), size)]


@given(st.text("abc def.\n", max_size=300), st.integers(1, 60), st.integers(16, 90), st.integers(0, 60))
def test_a_good_answer_comes_out_whole(text: str, size: int, window: int, holdback: int) -> None:
    one = stream(window, holdback)
    given_out = "".join(one.feed(piece).text for piece in pieces(text, size))
    assert given_out + one.finish().text == text
    assert text.startswith(given_out)


@given(st.integers(0, 200), st.integers(1, 30))
def test_no_character_of_a_secret_is_given_out(before: int, size: int) -> None:
    one = stream()
    text = "x" * before + " " + SECRET + " and more words to come." * 4
    released = [one.feed(piece) for piece in pieces(text, size)] + [one.finish()]
    out = "".join(each.text for each in released)
    assert released[-1].stopped is not None
    assert released[-1].stopped.findings[0].rule == "secrets"
    assert text.startswith(out)
    assert len(out) <= before + 1


def test_without_holdback_the_beginning_of_a_secret_is_out_before_its_end_is_seen() -> None:
    one = stream(window=16, holdback=0)
    text = "Your key: " + SECRET
    out = "".join(one.feed(piece).text for piece in pieces(text, 16))
    assert "AKIA" in out


def test_after_the_stop_nothing_comes_and_nothing_is_checked() -> None:
    one = stream(window=16)
    one.feed(f"A key: {SECRET} there.")
    made = len(one.decisions)
    assert one.feed("and more, much more than a window of text").text == ""
    assert one.finish().stopped is one.ended
    assert len(one.decisions) == made == 1


def test_checks_come_once_a_window() -> None:
    counted: list[CheckRequest] = []

    def check(request: CheckRequest) -> Decision:
        counted.append(request)
        return GUARD.check(request)

    one = StreamGuard(check, CheckRequest("output"), Stream(50, 10))
    for piece in pieces("a word or two, " * 20, 5):
        one.feed(piece)
    one.finish()
    assert [len(request.output or "") for request in counted] == [50, 100, 150, 200, 250, 300, 300]
    assert [request.partial for request in counted] == [True] * 6 + [False]


@pytest.mark.parametrize("reason", ["stop", "length"])
def test_the_end_brings_its_reason(reason: str) -> None:
    one = StreamGuard(engine(plan(CUT)).check, CheckRequest("output"), Stream(16, 0))
    fed = one.feed("An answer of some length that is not over")
    assert fed.text != ""
    assert (one.finish(reason).stopped is not None) == (reason == "length")
