"""The one place where events become logs and metrics, and batches spans. Nothing here runs once per trace."""

from monitor.telemetry.spans import link_from, otlp_exporter
from monitor.telemetry.telemetry import Telemetry

__all__ = ["Telemetry", "link_from", "otlp_exporter"]
