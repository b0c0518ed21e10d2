"""Models that run here: the sentence encoder and the runtime under it."""
