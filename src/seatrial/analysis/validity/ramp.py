"""Why a ramp came to no end, in words and numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.load.failures import OWN_LIMITS, remedy_of
from seatrial.analysis.reasons import Reason
from seatrial.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.generator.ramp import Ramp

# Above this part of the asked rate a listener kept up: a lower one would not have helped.
KEPT_UP = 0.9


def ramp_failed(ramp: Ramp, errors: Mapping[str, int], overflows: int | None) -> Reason:
    """Return the doubt that a ramp without an end leaves: nothing was measured.

    ``errors`` counts what broke in it by kind, ``overflows`` how often a listen queue of this machine was full (None
    where the target is elsewhere).
    """
    text = f"{_how_far(ramp)}, so nothing was measured"
    if errors:
        listed = sorted(errors.items(), key=lambda item: -item[1])
        text += "; failed: " + ", ".join(f"{count:,} x {name}" for name, count in listed)
    if overflows:
        text += f"; listen queues of this machine overflowed {overflows:,} times"
    exhausted = [name for name in OWN_LIMITS if errors.get(name)]
    if exhausted:
        remedy = f"the generator's machine ran out ({', '.join(exhausted)}): see `seatrial check`"
        return Reason("environment.ramp", text, remedy)
    return Reason("system.ramp", text, _remedy(ramp, errors, overflows))


def _how_far(ramp: Ramp) -> str:
    took, idle = (format_duration(round(seconds, 1)) for seconds in (ramp.took_s, ramp.idle_s))
    if not ramp.established:
        return f"none of {ramp.wanted:,} connections was established in {idle}"
    return (
        f"{ramp.established:,} of {ramp.wanted:,} connections were established in {took}, {ramp.accepted_per_s:,.0f}/s"
        f" where {ramp.asked_per_s:,.0f}/s were asked for, and hardly any in the {idle} after that"
    )


def _remedy(ramp: Ramp, errors: Mapping[str, int], overflows: int | None) -> str:
    if not ramp.established:
        return remedy_of(errors, "look at the address, and at the log of the system")
    if not (overflows or errors.get("connect_timeout")):
        return remedy_of(errors, "look at the connection limits, idle timeouts and the log of the system")
    remedy = (
        "raise the connection limits of the system, or its listen queue (its backlog, and net.core.somaxconn)"
    )
    if ramp.accepted_per_s < KEPT_UP * ramp.asked_per_s:
        remedy += f"; or ask for a --connect-rate of about {_rounded(ramp.accepted_per_s):,}"
    return remedy


def _rounded(rate_per_s: float) -> int:
    """Return it with two digits, and no less than one a second."""
    return max(1, int(float(f"{rate_per_s:.1e}")))
