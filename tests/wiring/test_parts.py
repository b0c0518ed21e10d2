"""What the parts are made to refuse."""

from dataclasses import replace

import pytest

from monitor.errors import Permanent
from monitor.events import Event
from monitor.model.record import Progress
from monitor.settings import Database, EmbeddingSettings, GroundingSettings, Settings
from monitor.wiring.parts import pipeline
from tests.stores import FIRST, InPostgres, line, no_sums, records, small_baseline


def test_a_consumer_refuses_a_baseline_of_other_embeddings_at_its_start_and_later(database_url: str) -> None:
    stores, events = InPostgres(database_url), list[Event]()
    stores.traces().positions({FIRST: 0})
    settings = Settings(
        database=Database(url=database_url),
        embedding=EmbeddingSettings("trace", name="none", dimension=2),
        grounding=GroundingSettings("off"),
    )
    stores.baselines().activate(small_baseline(), no_sums)
    made = pipeline(settings, stores.traces(), events.append)
    stores.baselines().activate(replace(small_baseline(), space="other/8"), no_sums)

    told = "baseline 2 was made of embeddings of other/8, but the settings ask for those of none/2"
    with pytest.raises(Permanent, match=told):
        made.ingest(records([line(1)]), [Progress(FIRST, 0, 1, 1)])
    with pytest.raises(Permanent, match=told):
        pipeline(settings, stores.traces(), events.append)
    stores.close()
