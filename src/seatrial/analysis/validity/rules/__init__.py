"""The rules of validity by their subject; ``table`` has all of them."""
