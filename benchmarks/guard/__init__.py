"""What a guard adds to an answer."""
