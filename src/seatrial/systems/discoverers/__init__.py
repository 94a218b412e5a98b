"""Discoverers as systems under test: what a plan says of each kind, and the process that it becomes.

To add one is a file beside these and a line in ``systems/registry.py``.
"""
