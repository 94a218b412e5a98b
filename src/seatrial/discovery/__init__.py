"""What stands around a discoverer while it is measured: the source that it reads, and who sees what comes of it."""
