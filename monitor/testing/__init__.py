"""Fakes of the ports: they run in memory and pass the same tests as the real edges."""
