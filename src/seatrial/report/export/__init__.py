"""A run in the formats of other tools: one exporter a file."""
