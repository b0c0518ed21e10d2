"""The demo: an invented support assistant whose build changes half-way."""
