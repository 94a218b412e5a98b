"""Panics in what a controller writes: of one that ended it, and of those that it recovered from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PANIC = re.compile(
    r"^panic: |^fatal error: |^SIG(SEGV|BUS|ILL|FPE|ABRT|QUIT): "
    r"|http2?: panic serving|[Oo]bserved a panic|[Rr]ecovered from panic"
)
"""How Go's runtime begins a panic, a fatal error and its words on a signal, and how net/http, client-go and
controller-runtime report a panic that they have recovered from."""
WORDS_LIMIT = 300


def panics_in(logs: Iterable[str]) -> tuple[int, str]:
    """Return how many panics are in these logs, and the line of the first; empty where there is none."""
    lines = [line.strip() for log in logs for line in log.splitlines() if PANIC.search(line)]
    return len(lines), lines[0][:WORDS_LIMIT] if lines else ""
