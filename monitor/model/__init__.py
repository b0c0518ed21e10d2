"""The nouns of the domain: plain values without behaviour of the world."""
