"""Text to nodes with their places, and every mistake with its place."""
