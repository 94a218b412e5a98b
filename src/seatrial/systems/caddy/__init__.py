"""Caddy as a system under test."""
