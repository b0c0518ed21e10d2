"""Thresholds by certificate, from a real database to a decision."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from monitor import wiring
from monitor.errors import Permanent
from monitor.events import CertificateVoid, Event
from monitor.model.check import CheckRequest
from monitor.model.feedback import Certificate
from tests.stores import START, InPostgres

POLICY = """
version: 1
name: p
deadline_ms: 60000
rules:
  - {name: hedged, stage: output, mode: enforce, then: abstain,
     when: {check: score, score: hedging, certificate: missed 0.1}}
"""
HEDGED = CheckRequest("output", output="It may rain. It snows. It rains.")


@pytest.fixture
def real(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[InPostgres]:
    monkeypatch.setenv("DRIFTWARDEN_DATABASE__URL", database_url)
    stores = InPostgres(database_url)
    yield stores
    stores.close()


@pytest.fixture
def policy_file(tmp_path: Path) -> Path:
    (tmp_path / "policy.yaml").write_text(POLICY)
    return tmp_path / "policy.yaml"


def test_the_newest_certificate_sets_the_threshold(real: InPostgres, policy_file: Path) -> None:
    for threshold in (0.9, 0.3):
        real.feedback().certified(Certificate("hedging", "missed", 0.1, None, threshold, 200, 50, 0.4), START)
    guard = wiring.guard_engine([policy_file])
    decision = guard.check(HEDGED)
    guard.close()
    assert decision.verdict == "abstain"
    assert (decision.findings[0].threshold, decision.findings[0].score) == (0.3, pytest.approx(1 / 3))


def test_a_certificate_that_nobody_made_stops_the_start(real: InPostgres, policy_file: Path) -> None:
    assert real.rows("SELECT * FROM v_certificates") == []
    with pytest.raises(Permanent, match=r"when\.certificate: none is kept of hedging, got 'missed 0.1'"):
        wiring.guard_engine([policy_file])


def test_without_a_database_a_certificate_can_not_be_had(policy_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DRIFTWARDEN_DATABASE__URL", raising=False)
    monkeypatch.chdir(policy_file.parent)
    with pytest.raises(Permanent, match="DRIFTWARDEN_DATABASE__URL is not set"):
        wiring.guard_engine([policy_file])


def test_a_void_certificate_is_told_at_the_start(real: InPostgres, policy_file: Path) -> None:
    real.feedback().certified(Certificate("hedging", "missed", 0.1, None, 0.3, 200, 50, 0.4), START)
    with real.engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO alerts (id, fingerprint, labels, status, onset, fired_at, summary, signals, evidence)"
                " VALUES ('a1', 'f', '{}', 'firing', :at, :at, 'hedging rose', '{hedging}', '{}')"
            ),
            {"at": START},
        )
    events: list[Event] = []
    guard = wiring.guard_engine([policy_file], emit=events.append)
    verdict = guard.check(HEDGED).verdict
    guard.close()
    assert CertificateVoid("hedged", "missed 0.1", "a1") in events
    assert verdict == "abstain"
