"""Measures other load generators beside Seatrial: `make bench-peers`. Method and tables: docs/reference/peers.md."""
