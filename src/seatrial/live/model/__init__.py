"""What a view knows of a run, put together from its events as they come."""
