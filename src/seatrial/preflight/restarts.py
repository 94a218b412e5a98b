"""Whether what a plan restarts is up again in time: some take seconds, which are of the measure phase."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.preflight.findings import Finding
from seatrial.systems.options import ProxyOptions
from seatrial.units import format_duration

if TYPE_CHECKING:
    from seatrial.plan.cases import Case


def check_restarts(case: Case) -> tuple[Finding, ...]:
    """Return one finding where a case has a restart: that of the one which leaves least before what comes next."""
    options = case.system.options
    if not isinstance(options, ProxyOptions):
        return ()
    left = []
    ends = [*(one.at_s for one in case.disturbances[1:]), case.phases.measure_s]
    for one, end_s in zip(case.disturbances, ends, strict=False):
        if one.do == "restart":
            members = options.proxies if one.member is None else 1
            left.append((end_s - one.at_s - members * options.restart_s, one.at_s, members, end_s))
    return (_finding(case, *min(left)),) if left else ()


def _finding(case: Case, left_s: float, at_s: float, members: int, end_s: float) -> Finding:
    options = case.system.options
    assert isinstance(options, ProxyOptions)
    step_s = case.load.interval_s
    each = format_duration(options.restart_s)
    takes = f"{each} for each of {members} proxies in turn" if members > 1 else each
    then = "the measure phase ends" if end_s >= case.phases.measure_s else "the next begins"
    text = f"a restart at {format_duration(at_s)} takes up to {takes}, and at {format_duration(end_s)} {then}"
    if left_s >= step_s:
        return Finding("restart", "ok", text)
    return Finding(
        "restart",
        "warn",
        f"{text}: what it is like once it is up again may not be seen",
        f"an `at` at least {format_duration(members * options.restart_s + step_s)} before that",
    )
