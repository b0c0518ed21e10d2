"""Two sets of traces compared once: which signals differ, by how much, and traces that show it."""

from monitor.comparing.comparing import compare, independent
from monitor.comparing.page import page

__all__ = ["compare", "independent", "page"]
