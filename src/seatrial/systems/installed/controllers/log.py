"""Panics in what a controller writes: of one that ended it, and of those that it recovered from."""

from __future__ import annotations

import re

CRASH = re.compile(r"^panic: |^fatal error: |^SIG(SEGV|BUS|ILL|FPE|ABRT|QUIT): ")
"""How Go's runtime begins a panic that ends the program, a fatal error, and its words on a signal."""
REPORT = re.compile(r"http2?: panic serving|[Oo]bserved a panic|[Rr]ecovered from panic")
"""How net/http, client-go and controller-runtime report a panic that they have recovered from."""
REPANICKED = "[recovered"
"""What Go adds to one that was recovered from, and raised again: it was reported already."""
WORDS_LIMIT = 300


def panics_in(log: str) -> tuple[int, str]:
    """Return how many panics are in a log, and the line of the first; empty where there is none."""
    found: list[str] = []
    was_reported = False
    for line in log.splitlines():
        if REPORT.search(line):
            found.append(line)
            was_reported = True
        elif CRASH.search(line):
            if not (was_reported and REPANICKED in line):
                found.append(line)
            was_reported = False
    return len(found), found[0].strip()[:WORDS_LIMIT] if found else ""
