"""nginx as a system under test."""
