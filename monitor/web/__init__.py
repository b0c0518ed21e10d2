"""The HTTP side: a read-only API over the public views, ingest, health and metrics."""
