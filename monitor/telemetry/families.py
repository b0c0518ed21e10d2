"""Plain figures as prometheus_client's families."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from monitor.model.metric import Metric


def registry_of(metrics: Iterable[Metric]) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(Families([family(metric) for metric in metrics]))
    return registry


class Families(Collector):
    """Families of samples as a collector of prometheus_client."""

    def __init__(self, families: Sequence[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Family]:
        return iter(self._families)


def family(metric: Metric) -> Family:
    build = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    made = build(metric.name, metric.help, labels=metric.labels)
    for labels, value in metric.samples:
        made.add_metric(labels, value)
    return made
