"""Postgres: the only place that knows SQLAlchemy and psycopg."""
