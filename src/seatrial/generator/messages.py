"""The first and the last word of a worker; between them it sends frames."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from seatrial.generator.routes import KeptAnswer


@dataclass(frozen=True, slots=True)
class Hello:
    """How a worker measures. ``resolution_ns`` 0 is the fine mode; ``timestamps`` says whose clock stamps answers.

    ``scheduling`` is "first" where the kernel runs the worker as soon as it wakes (which takes CAP_SYS_NICE).
    ``driver_fallback`` is why ``driver`` is not the one that was asked for.
    """

    worker: int
    pid: int
    driver: str
    timestamps: Literal["kernel", "program"]
    resolution_ns: int
    descriptor_limit: int
    scheduling: Literal["first", "shared"] = "shared"
    driver_fallback: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """How a worker ended; ``measured_ns`` is shorter than asked for after an early stop."""

    worker: int
    measured_ns: int
    clock_steps: int
    routes: tuple[Mapping[str, Any], ...] = ()
    unexpected: tuple[KeptAnswer, ...] = ()

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Done:
        """Read the JSON form that a worker writes."""
        kept = tuple(KeptAnswer(**answer) for answer in document["unexpected"])
        return cls(
            document["worker"],
            document["measured_ns"],
            document["clock_steps"],
            tuple(document["routes"]),
            kept,
        )
