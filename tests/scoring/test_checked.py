from collections.abc import Sequence
from itertools import count

from detectors.score import Score, ok
from monitor.scoring.checked import Checking, in_sample
from monitor.scoring.exchange import exchanges
from tests.stores import decoded, line

PASSAGES = [{"id": "a", "text": "Rome"}, {"id": "b", "text": "Oslo"}]


def told(answer: str, passages: Sequence[str]) -> Score:
    return ok(0.25 if (answer, passages) == ("Rome.", ["Rome", "Oslo"]) else 1.0)


def test_an_answer_is_checked_against_its_passages() -> None:
    batch = exchanges(decoded([line(1, response="Rome.", context=PASSAGES), line(2, response="I don't know.")]))
    found, declined = Checking(told, 1.0, 9.0, lambda: 0.0)(batch)
    assert found == ok(0.25)
    assert (declined.status, declined.reason) == ("abstained", "the answer only declines")


def test_past_the_deadline_no_other_answer_is_begun() -> None:
    ticks = count()
    batch = exchanges(decoded([line(n, response="Rome.", context=PASSAGES) for n in range(4)]))
    found = Checking(told, 1.0, 3.0, lambda: float(next(ticks)))(batch)
    assert [score.value for score in found] == [0.25, 0.25, None, None]
    assert found[3].reason == "the deadline of 3 s for a batch was over"


def test_the_sample_is_the_same_share_of_all_ids() -> None:
    chosen = [n for n in range(4000) if in_sample(f"t{n}", 0.1)]
    # 400 ± 19 by the law of a binomial.
    assert 325 < len(chosen) < 475
    assert all(in_sample(f"t{n}", 0.2) for n in chosen)
    other = next(n for n in range(4000) if n not in chosen)
    batch = exchanges(decoded([line(n, response="Rome.", context=PASSAGES) for n in (chosen[0], other)]))
    found = Checking(told, 0.1, 9.0, lambda: 0.0)(batch)
    assert [score.reason for score in found] == [None, "not in the sample of 0.1"]
