"""``python -m tests.support.discoverers NAME ...``: a relative, run by the flags of ``seatrial discoverer``."""

from __future__ import annotations

import sys

from tests.support.discoverers.faulty import Drops, Gauge, Leaves, Limited, Rewrites, Starves
from tests.support.discoverers.moments import Moments

import seatrial.discoverer.discoverer as package
from seatrial.cli.main import main

RELATIVES = {
    "rewrites": Rewrites,
    "gauge": Gauge,
    "drops": Drops,
    "limited": Limited,
    "starves": Starves,
    "leaves": Leaves,
    "moments": Moments,
}


def run(arguments: list[str]) -> None:
    name, *given = arguments or [""]
    if name not in RELATIVES:
        sys.exit(f"one of {', '.join(RELATIVES)}, and then the flags of `seatrial discoverer`")
    relative = RELATIVES[name]
    # The command makes whatever has this name; of two flags the last one counts.
    package.Discoverer = relative  # type: ignore[misc]
    main(["discoverer", *relative.flags(given)])


run(sys.argv[1:])
