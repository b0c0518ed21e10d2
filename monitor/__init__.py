"""Monitoring and guardrails for LLM services."""
