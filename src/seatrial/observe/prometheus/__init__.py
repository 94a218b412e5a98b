"""Asking a Prometheus that is there already, through its HTTP API."""
