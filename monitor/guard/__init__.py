"""The guard: a policy's rules on one exchange, within a deadline."""
