"""Ending a run before its time: in order, or without waiting for anything that only the numbers need."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Ending:
    """``stop`` ends the trial in order; ``cut`` gives up drains, last counts and the cool down. Both put back."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    cut: asyncio.Event = field(default_factory=asyncio.Event)
