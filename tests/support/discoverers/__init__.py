"""Relatives of the reference discoverer, each with a fault that was found in the wild, and one whose times are set."""
