"""A Prometheus of Seatrial's own: what it scrapes of runs, and starting and ending it."""
