"""The controllers of a system on a cluster: what tells its proxies what to serve."""
