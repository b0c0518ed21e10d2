"""Checks of texts: each gives a score, 0 for nothing found, and where."""
