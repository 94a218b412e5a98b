"""Sources of truth: each is filled and changed by Seatrial, which so knows what is there, and since when."""
