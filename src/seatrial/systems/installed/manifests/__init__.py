"""Objects as plain dicts, from pure functions: what a run applies is what ``seatrial manifests`` prints."""
