"""Frames to the result of one load."""
