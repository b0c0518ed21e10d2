"""What the worker's batching, cache and traces are worth, and what they cost."""
