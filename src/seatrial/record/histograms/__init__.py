"""Histograms of a record as files that other tools read."""
