"""Dashboards for Grafana, as code: one file each."""
