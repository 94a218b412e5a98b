"""Pure functions from what was recorded to what may be said about it."""
