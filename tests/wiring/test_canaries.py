"""The role canary, from its settings."""

import io
import json

from monitor.canaries.config import CanaryConfig
from monitor.model.canary import Canary, Turn
from monitor.settings import Database, Settings
from monitor.storage.canaries import PostgresCanaryStore
from monitor.telemetry import Telemetry
from monitor.wiring.canaries import quality
from monitor.wiring.roles import ROLES
from monitor.wiring.stop import Stop
from tests.stores import START, InPostgres


class Once(Stop):
    """Is told to end when it would wait for the first time."""

    def wait(self, seconds: float) -> None:
        del seconds
        self.event.set()


def test_the_role_sends_a_prompt_and_keeps_what_came_of_it(database_url: str) -> None:
    real, log = InPostgres(database_url), io.StringIO()
    PostgresCanaryStore(real.engine).add([Canary(name="refunds", messages=(Turn("user", "How long?"),))], START)
    found = Settings(
        database=Database(url=database_url), canary=CanaryConfig(url="http://127.0.0.1:9/v1", model="bot"), kafka=None
    )
    telemetry = Telemetry("canary", json_logs=True, stream=log)
    ROLES["canary"](found, Once(), telemetry)
    metrics = telemetry.exposition().decode()
    telemetry.close()
    rows = [tuple(row) for row in real.rows("SELECT target, canary, status FROM v_canary_results")]
    real.close()
    assert rows == [("bot", "refunds", "away")]
    told = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [each["event"] for each in told] == ["started", "canary_answered", "stopped"]
    assert "ConnectError" in told[1]["reason"]
    assert 'driftwarden_canaries_total{status="away",target="bot"} 1.0' in metrics


def test_quality_is_that_of_the_scores_turned_round() -> None:
    found = quality("It is five days.", ["Five days.", "Never."])
    assert found is not None
    assert (found.exact, round(found.f1, 3), round(found.rouge_l, 3)) == (False, 0.667, 0.667)
    right, empty = quality("five  DAYS", ["Five days."]), quality("!", ["Five days."])
    assert right is not None
    assert (right.exact, right.f1, right.rouge_l) == (True, 1.0, 1.0)
    assert empty is not None
    assert (empty.exact, empty.f1) == (False, 0.0)
    assert quality("anything", []) is None
