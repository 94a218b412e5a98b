"""Wires the stages together, and is the only package that does: a plan, one of its trials, or a single load."""
