"""HAProxy as a system under test."""
