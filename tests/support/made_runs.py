"""Runs of every kind that a record can be of: believed and not, disturbed, of pods, cut off, empty, attempted again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.made_run import Twist, make_run

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KINDS: Mapping[str, Mapping[str, Any]] = {
    "doubts": {
        "systems": ("direct", "envoy"),
        "twists": {3: Twist(died=True), 5: Twist(disturbed_s=2.0, changed_s=2.0), 6: Twist(lost_frame=6)},
        "trials": 6,
    },
    "pods": {"systems": ("envoy",), "twists": {1: Twist(of_pods=True), 2: Twist(errors={"reset": 3})}, "trials": 2},
    "cut": {"systems": ("envoy",), "trials": 3, "end": False},
    "nothing": {"systems": ("envoy",), "trials": 0, "end": False},
    "discovers": {"systems": ("envoy",), "trials": 2, "discovers": True},
    "again": {"systems": ("envoy",), "twists": {2: Twist(lateness_us=2_000)}, "again": (1,)},
}  # fmt: skip


def made(parent: Path, kind: str) -> Path:
    """Make a run of this kind; return its directory."""
    return make_run(parent, **KINDS[kind])
