"""``python -m seatrial``."""

from seatrial._entry import main

main()
