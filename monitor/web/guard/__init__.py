"""The guard over HTTP: its own API, LiteLLM's and OpenAI's."""

from monitor.web.guard.app import guard_api

__all__ = ["guard_api"]
