"""A run as metrics of Prometheus: what is counted, how it is named, and how it leaves."""
