"""Alerts as Standard Webhooks: signed, to checked addresses only."""

from monitor.webhook.config import Endpoint, WebhookConfig
from monitor.webhook.sender import WebhookSender

__all__ = ["Endpoint", "WebhookConfig", "WebhookSender"]
