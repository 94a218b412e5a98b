"""Where a run is made: this machine, namespaces on it, a cluster."""
