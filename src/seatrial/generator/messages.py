"""The first and the last word of a worker; between them it sends frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from seatrial.generator.routes import KeptAnswer


@dataclass(frozen=True, slots=True)
class Hello:
    """How a worker measures. ``resolution_ns`` 0 is the fine mode; ``timestamps`` says whose clock stamps answers.

    ``scheduling`` is "first" where the kernel runs the worker as soon as it wakes (which takes CAP_SYS_NICE).
    ``driver_fallback`` is why ``driver`` is not the one that was asked for. ``engine`` is the version of its program;
    its clocks showed ``monotonic_ns`` and ``realtime_ns``, the first since the boot that ``boot_id`` names.
    """

    worker: int
    pid: int
    driver: str
    timestamps: Literal["kernel", "program"]
    resolution_ns: int
    descriptor_limit: int
    scheduling: Literal["first", "shared"] = "shared"
    driver_fallback: str | None = None
    engine: str = ""
    boot_id: str = ""
    monotonic_ns: int = 0
    realtime_ns: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """How a worker ended; ``measured_ns`` is shorter than asked for after an early stop.

    ``pss_bytes`` is its memory with every connection open, 0 where it is not known.
    """

    worker: int
    measured_ns: int
    clock_steps: int
    routes: tuple[Mapping[str, Any], ...] = ()
    unexpected: tuple[KeptAnswer, ...] = ()
    pss_bytes: int = 0

    @classmethod
    def from_json(cls, document: Mapping[str, Any], routes: Sequence[Mapping[str, Any]] = ()) -> Done:
        """Read the JSON form that a worker writes, after ``routes`` that came in lines of their own."""
        kept = tuple(KeptAnswer(**answer) for answer in document["unexpected"])
        return cls(
            document["worker"],
            document["measured_ns"],
            document["clock_steps"],
            (*routes, *document["routes"]),
            kept,
            document["pss_bytes"],
        )
