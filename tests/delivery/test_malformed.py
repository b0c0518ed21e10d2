"""A thousand malformed records among ten thousand good ones cost nothing but themselves."""

from __future__ import annotations

import pytest

from monitor.model.scores import NAMES
from tests.conftest import Broker
from tests.delivery.conftest import Server
from tests.delivery.flood import TOO_LARGE, WITH_NUL, Count, Flood, expected_reasons, flood, reasons
from tests.delivery.sidecar import Sidecar
from tests.delivery.traffic import ANSWER, LARGE_BYTES, MALFORMED, PASSAGES


@pytest.fixture(scope="module")
def flooded(server: Server, kafka: Broker, tmp_path_factory: pytest.TempPathFactory) -> Flood:
    sidecar = Sidecar(tmp_path_factory.mktemp("malformed"), server.fresh(), kafka.bootstrap)
    return flood(sidecar, Count())


def test_every_good_trace_is_stored_once_and_its_repeats_are_counted(flooded: Flood) -> None:
    assert (flooded.first.traces, flooded.first.repeats) == (10_000, 200)
    assert flooded.first.exit_code == 0


def test_nul_in_a_text_is_stored_as_a_replacement_character(flooded: Flood) -> None:
    assert flooded.first.with_nul == WITH_NUL


def test_scores_spans_and_evidence_of_a_trace_from_kafka_are_read_in_views(flooded: Flood) -> None:
    grounding = flooded.scores["grounding"]
    held, novel = flooded.claims

    assert set(flooded.scores) == set(NAMES)
    assert all((row.value is None) == (row.status != "ok") for row in flooded.scores.values())
    assert grounding.status == "ok"
    assert "Leonardo Vespucci" in [ANSWER[start:end] for start, end in grounding.spans][-1]
    assert (held.document, held.evidence, held.novel, held.flagged) == ("bridge", PASSAGES[1]["text"], [], False)
    assert novel.sentence == "Its paint was chosen by Leonardo Vespucci."
    assert (novel.novel, novel.flagged) == (["paint", "chosen", "Leonardo", "Vespucci"], True)
    assert held.value < 0.5 < novel.value


def test_every_malformed_record_is_a_reject_with_its_reason_and_its_place(flooded: Flood) -> None:
    found = {place: reason for place, (reason, _) in flooded.first.rejects.items()}
    assert found == expected_reasons(flooded.first)
    assert len(found) == 1_000
    assert set(found.values()) == {kind.reason for kind in MALFORMED.values()}


def test_every_reject_is_a_dead_letter_with_its_bytes_headers_and_reason(flooded: Flood) -> None:
    state = flooded.first
    told = {place: letter.headers["error.type"].decode() for place, letter in state.letters.items()}
    assert told == expected_reasons(state)
    assert all(letter.value == state.log[place].value for place, letter in state.letters.items())
    assert all(letter.headers["wrong"] == state.log[place].headers["wrong"] for place, letter in state.letters.items())
    assert all(letter.headers["error.message"] for letter in state.letters.values())
    assert max(len(letter.value) for letter in state.letters.values()) > LARGE_BYTES


def test_rejects_are_listed_with_their_reason(flooded: Flood) -> None:
    empty = reasons(flooded.first)["empty"]
    assert len(flooded.listed) == 1_000
    assert {row["reason"] for row in flooded.listed_empty} == {"empty"}
    assert len(flooded.listed_empty) == min(empty, 50)


def test_replayed_rejects_come_again_and_are_rejected_again_unless_let_in(flooded: Flood) -> None:
    old, new = flooded.first, flooded.second
    again = {place: reason for place, (reason, replayed) in new.rejects.items() if not replayed}
    let_in = [place for place, record in new.log.items() if place not in old.log and place not in again]
    assert "1000 rejects replayed" in flooded.replay
    assert len(again) == 1_000 - TOO_LARGE
    assert again == {place: reason for place, reason in expected_reasons(new).items() if place in again}
    assert not again.keys() & old.log.keys()
    assert {place for place, (_, replayed) in new.rejects.items() if replayed} == old.rejects.keys()
    assert {new.log[place].headers["wrong"] for place in let_in} == {b"too large"}
    assert new.traces == 10_000 + TOO_LARGE
