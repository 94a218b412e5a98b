"""Bounds that are of a quiet machine, on one that is not: tried again, never widened."""

from __future__ import annotations

import time
from collections.abc import Callable

ATTEMPTS = 6
"""On a busy machine something else may hold either side back for longer than a bound allows, for seconds at a time."""
REST_S = 0.5
"""How much longer is waited before each further attempt: what disturbs comes in bursts."""


def attempt(check: Callable[[], None]) -> None:
    """Call ``check`` until it holds, a few times at most."""
    for left in reversed(range(ATTEMPTS)):
        try:
            check()
        except AssertionError:
            if not left:
                raise
            time.sleep(REST_S * (ATTEMPTS - left))
        else:
            return
