"""What a run does on a cluster."""
