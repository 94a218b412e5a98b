"""What stands while a trial runs: a system in front of its origin, proven, watched, counted."""
