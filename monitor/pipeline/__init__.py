"""From records to committed units."""

from monitor.pipeline.batch import Pipeline, Stored
from monitor.pipeline.consume import consume
from monitor.pipeline.intake import Intake, Taken
from monitor.pipeline.listening import listen

__all__ = ["Intake", "Pipeline", "Stored", "Taken", "consume", "listen"]
