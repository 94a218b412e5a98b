"""Envoy as a system under test."""
