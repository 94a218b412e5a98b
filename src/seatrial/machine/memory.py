"""The memory of a process, apart from all other samples: a load that starts has to wait for this module."""

from __future__ import annotations

from pathlib import Path


def pss_bytes(pid: int) -> int | None:
    """Return the proportional set size: shared pages count by the share of each process. None if denied."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_bytes()
    except OSError:
        return None
    at = text.find(b"\nPss:")
    return int(text[at + 5 :].split(None, 1)[0]) * 1024 if at >= 0 else None
