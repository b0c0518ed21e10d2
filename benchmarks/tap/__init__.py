"""What the tap adds to requests."""
