"""The reference discoverer: carries services from a source of truth into a cluster, as objects of its API server."""
