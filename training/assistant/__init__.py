"""The demo's assistant: its corpus, its training and its export."""
