"""A learner and the traffic that it learns from."""

from datetime import datetime, timedelta

import numpy as np

from monitor.baseline import Learner
from monitor.events import Event
from monitor.fitting import Learning
from monitor.watch import Pace
from tests.stores import START, WATCHED, Stores, adding_up, line

WANTED = 450


class Learned:
    """A learner on the stores, with what it told."""

    def __init__(self, stores: Stores, *, at: datetime, traces: int = WANTED) -> None:
        self.events: list[Event] = []
        self.at = at
        self.learner = Learner(
            stores.baselines(),
            adding_up,
            learning=Learning(traces=traces, watched=WATCHED, replay=None),
            pace=Pace(),
            clock=lambda: self.at,
            emit=self.events.append,
            space="none/2",
        )


def traffic(numbers: range, *, seed: int = 1) -> list[bytes]:
    """Ten traces a minute; two in three of them are acme's, one is of somebody small."""
    random = np.random.default_rng(seed)
    tokens = random.integers(50, 150, 10_000)
    return [
        line(n, START + timedelta(seconds=6 * n), tenant="acme" if n % 3 else "small", tokens=int(tokens[n]))
        for n in numbers
    ]


def time_of(number: int) -> datetime:
    return START + timedelta(seconds=6 * number)
