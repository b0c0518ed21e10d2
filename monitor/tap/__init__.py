"""The tap: what it adds to requests of OpenAI's API, what it takes out of replies, and the traces it makes."""

from monitor.tap.answer import Answer
from monitor.tap.asking import Asked, read
from monitor.tap.config import TapConfig
from monitor.tap.replies import Reply
from monitor.tap.stripping import Wants, stripped
from monitor.tap.tapped import Source, Tapped, trace_of

__all__ = ["Answer", "Asked", "Reply", "Source", "TapConfig", "Tapped", "Wants", "read", "stripped", "trace_of"]
