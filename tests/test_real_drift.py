"""Real answers through import, Kafka, Postgres and the judge: GPT-4's June is noticed, March against March is not."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from benchmarks.real_drift import SNAPSHOTS, Site, brought, drifted_after, pinned, rows_of, write
from tests.conftest import Broker


@pytest.fixture
def site(tmp_path: Path, postgres_url: str, kafka: Broker) -> Iterator[Site]:
    name = f"real{np.random.SeedSequence().entropy % 10**9}"  # a name, not a statistic
    started = Site(tmp_path, postgres_url, kafka.bootstrap, name)
    yield started
    started.close()


@pytest.mark.real_data
def test_june_is_alerted_on_within_300_traces_and_march_is_not(site: Site, shared_data: Path, tmp_path: Path) -> None:
    march, june = (rows_of(shared_data, snapshot) for snapshot in SNAPSHOTS["gpt-4"])
    order = np.random.default_rng(0).permutation(len(march))
    reference, held_out = ([march[i] for i in half] for half in np.array_split(order, 2))
    changed = [june[i] for i in np.random.default_rng(1).permutation(len(june))[:320]]
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=3)

    pinned(site, write(tmp_path / "reference.csv", reference), len(reference), start)
    brought(site, write(tmp_path / "same.csv", held_out), "same", start + timedelta(days=1))
    site.wait_for(len(march))
    site.wait_until_judged(len(held_out))
    assert site.rows("SELECT summary FROM v_alerts") == []

    then = start + timedelta(days=2)
    brought(site, write(tmp_path / "june.csv", changed), "june", then)
    site.wait_for(len(march) + len(changed))
    site.wait_until_judged(len(held_out) + len(changed))
    after = drifted_after(site, since=then)
    assert after["response.embedding"] <= 300
    assert min(after["response.characters"], after["response.tokens"]) <= 300
    assert "prompt.embedding" not in after
    alerts = site.rows("SELECT segment, summary FROM v_alerts WHERE inhibited_by IS NULL")
    assert [alert["segment"] for alert in alerts] == ["all"]
