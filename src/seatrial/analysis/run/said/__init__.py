"""What may be said of a run in sentences: what it answers, how its figures grow, how each system did."""
