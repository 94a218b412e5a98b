"""The results of one load, as text and as files."""
