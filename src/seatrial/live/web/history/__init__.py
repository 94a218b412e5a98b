"""A run over time, kept as columns for pages that begin to watch late."""
