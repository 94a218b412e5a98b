"""CPU and clock: enough cores that the generator's own waiting is not measured, and a clock that is cheap to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.preflight.findings import Finding
from seatrial.units import format_rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.machine.facts import Machine
    from seatrial.preflight.needs import Needs

# One for the generator, one for the proxy and the origin: else they take turns, and the turns are in the latency.
CORES_WANTED = 2
# Measured for an epoll loop with a 250 us grid (600 B over loopback): 11 to 15 CPU-us per request. The proxy costs
# two to three times that and the origin about as much, so a request through a proxy takes four to five times it in all.
CPU_US_PER_REQUEST = 13.0
TIMES_DIRECT = 2.0
TIMES_PROXIED = 4.5
_GOOD_CLOCKS = frozenset({"tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page"})


def check_cpu(needs: Needs, machine: Machine) -> Iterator[Finding]:
    """Yield whether there are enough cores, for the rate too, and whether the clock is a good one."""
    yield _cores(machine)
    if needs.rate_per_s is not None:
        yield _rate(needs, needs.rate_per_s, machine)
    yield _clock(machine)


def _cores(machine: Machine) -> Finding:
    quota = "" if machine.cpu_quota_cores is None else f" (a quota of {machine.cpu_quota_cores:g})"
    text = f"{machine.cores:g} cores{quota}; wanted: 1 for the generator and 1 for the rest"
    if machine.cores >= CORES_WANTED:
        return Finding("cpu", "ok", text)
    return Finding(
        "cpu",
        "warn",
        text,
        f"{CORES_WANTED} cores or more, or a higher CPU quota; else latency includes waiting",
    )


def _rate(needs: Needs, rate_per_s: float, machine: Machine) -> Finding:
    each_us = CPU_US_PER_REQUEST * (TIMES_PROXIED if needs.proxied else TIMES_DIRECT)
    cores = rate_per_s * each_us / 1e6
    used = f"{cores:,.0f}" if cores >= 10 else f"{cores:.2g}"
    text = (
        f"{format_rate(rate_per_s)} x about {each_us:g} CPU-us for generator, proxy and origin = {used} cores"
    )
    if cores <= machine.cores:
        return Finding("cpu-rate", "ok", f"{text} of {machine.cores:g}")
    remedy = f"a rate of {format_rate(int(machine.cores / each_us * 1e6))} at most, or more cores"
    return Finding("cpu-rate", "warn", f"{text}, but there are {machine.cores:g}", remedy)


def _clock(machine: Machine) -> Finding:
    if machine.clocksource is None or machine.clocksource in _GOOD_CLOCKS:
        return Finding("clocksource", "ok", machine.clocksource or "this kernel does not say")
    text = f"{machine.clocksource}: each reading of it is a system call or worse, a microsecond or more"
    return Finding("clocksource", "warn", text, "a machine whose clocksource is tsc or kvm-clock")
