"""The worker over HTTP, as OpenAI's API has it."""

from monitor.web.worker.app import worker_api
from monitor.web.worker.desk import Desk, Limits, Post, Tracing

__all__ = ["Desk", "Limits", "Post", "Tracing", "worker_api"]
