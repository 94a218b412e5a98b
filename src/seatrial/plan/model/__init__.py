"""The plan as frozen models."""
