"""Detectors: pure statistics on arrays."""
