"""Sources of truth: where services are discovered."""
