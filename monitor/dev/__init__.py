"""Local services for the demo, the tests and `driftwarden dev`: a real Postgres and a real Kafka."""
