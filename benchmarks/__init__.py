"""Measures Seatrial's engine beside its peers: `make bench`. Method and caveats are in BENCHMARKING.md."""
