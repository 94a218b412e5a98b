"""CPU and clock: enough cores that the generator's own waiting is not measured, and a clock that is cheap to read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.machine.cpus.lists import format_cpus
from seatrial.machine.cpus.pinning import AUTO_CORES_MIN, Pinning, not_there, pinning_of, usable_cores
from seatrial.machine.cpus.words import NAMES, placement_text
from seatrial.preflight.findings import Finding
from seatrial.units import format_rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.machine.cpus.pinning import CpuChoice
    from seatrial.machine.facts import Machine
    from seatrial.machine.members import Role
    from seatrial.preflight.needs import Needs

# One for the generator, one for the proxy and the origin: else they take turns, and the turns are in the latency.
CORES_WANTED = 2
# Measured for an epoll loop with a 250 us grid (600 B over loopback): 11 to 15 CPU-us per request. The proxy costs
# two to three times that and the origin about as much, so a request through a proxy takes four to five times it in all.
CPU_US_PER_REQUEST = 13.0
TIMES: dict[Role, float] = {"generator": 1.0, "system": 2.5, "origin": 1.0}
_GOOD_CLOCKS = frozenset({"tsc", "kvm-clock", "arch_sys_counter", "hyperv_clocksource_tsc_page"})


@dataclass(frozen=True, slots=True)
class _Share:
    """What a request costs some roles together, and the cores that they have for it; ``cpus`` where they are kept."""

    roles: tuple[str, ...]
    each_us: float
    cores: float
    cpus: str = ""

    def finding(self, rate_per_s: float) -> Finding:
        needed = rate_per_s * self.each_us / 1e6
        used = f"{needed:,.0f}" if needed >= 10 else f"{needed:.2g}"
        names = ["proxy" if role == "system" else role for role in self.roles]
        whose = names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
        text = f"{format_rate(rate_per_s)} x about {self.each_us:g} CPU-us for {whose} = {used} cores"
        kept = f" (CPUs {self.cpus})" if self.cpus else ""
        if needed <= self.cores:
            return Finding("cpu-rate", "ok", f"{text} of {self.cores:g}{kept}")
        more = "more of them in `cpus`" if self.cpus else "more cores"
        most = format_rate(int(self.cores / self.each_us * 1e6))
        remedy = f"a rate of {most} at most, or {more}"
        return Finding("cpu-rate", "warn", f"{text}, but there are {self.cores:g}{kept}", remedy)


def check_cpu(needs: Needs, machine: Machine) -> Iterator[Finding]:
    """Yield who is kept to which CPUs, whether there are enough, for the rate too, and whether the clock is good."""
    missing = list(_not_there(needs.cpus, machine))
    yield from missing
    # What cannot be is not reckoned with.
    pinning = Pinning() if missing else pinning_of(needs.cpus, machine.cpu_layout, machine.cpu_quota_cores)
    if not missing and needs.cpus != "shared":
        yield _placed(pinning, machine)
    yield _generators_own(pinning) if pinning.by_role else _cores(machine)
    if needs.rate_per_s is not None:
        yield _rate(needs, needs.rate_per_s, machine, pinning)
    yield _clock(machine)


def _not_there(choice: CpuChoice, machine: Machine) -> Iterator[Finding]:
    """Yield what a plan asks for and cannot have, in one finding."""
    layout, wrong = machine.cpu_layout, []
    for role, cpus in not_there(choice, layout):
        whose = NAMES.get(role, f"the {role}")
        absent = cpus - frozenset(layout.online)
        if absent:
            wrong.append(f"{_cpus(absent)} for {whose}: this machine has {format_cpus(layout.online)}")
        if denied := cpus - absent:
            wrong.append(
                f"{_cpus(denied)} for {whose}: this process may use {format_cpus(layout.allowed)} only"
                " (its affinity, or the cpuset of its control group)"
            )
    if wrong:
        remedy = f"CPUs of {format_cpus(layout.allowed)} in the plan's `cpus`, or `cpus: auto`"
        yield Finding("cpus", "refuse", f"the plan's `cpus` asks for {'; and for '.join(wrong)}", remedy)


def _placed(pinning: Pinning, machine: Machine) -> Finding:
    if pinning.by_role:
        return Finding("cpus", "ok", placement_text(pinning.by_role, pinning.cores, share="share"))
    layout, quota = machine.cpu_layout, machine.cpu_quota_cores
    usable = len(usable_cores(layout, quota))
    within = "" if quota is None else f" within a quota of {quota:g}"
    have = (
        f"{usable} whole cores may be used{within}"
        if layout.cores
        else "which threads are of one core is not known"
    )
    wanted = f"with {AUTO_CORES_MIN} or more each role would have its own"
    return Finding("cpus", "ok", f"nobody is kept to CPUs of its own: {have}; {wanted}")


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


def _generators_own(pinning: Pinning) -> Finding:
    own = pinning.by_role["generator"]
    shared = own & (pinning.by_role["system"] | pinning.by_role["origin"])
    text = f"the generator is kept to {_cpus(own)}; wanted: 1 that neither system nor origin has"
    if own - shared:
        return Finding("cpu", "ok", text)
    return Finding(
        "cpu", "warn", text, "a CPU in `cpus` that is the generator's alone; else latency includes waiting"
    )


def _rate(needs: Needs, rate_per_s: float, machine: Machine, pinning: Pinning) -> Finding:
    each_us = {role: CPU_US_PER_REQUEST * times for role, times in TIMES.items()}
    if not needs.proxied:
        del each_us["system"]
    shares = [_Share(tuple(each_us), sum(each_us.values()), machine.cores)]
    for role in each_us if pinning.by_role else ():
        # Who has no other CPUs than these takes its part of them.
        cpus = pinning.by_role[role]
        within = tuple(other for other in each_us if pinning.by_role[other] <= cpus)
        needed_us = sum(each_us[other] for other in within)
        shares.append(_Share(within, needed_us, min(float(len(cpus)), machine.cores), format_cpus(cpus)))
    tightest = max(shares, key=lambda share: share.each_us / share.cores)
    return tightest.finding(rate_per_s)


def _clock(machine: Machine) -> Finding:
    if machine.clocksource is None or machine.clocksource in _GOOD_CLOCKS:
        return Finding("clocksource", "ok", machine.clocksource or "this kernel does not say")
    text = f"{machine.clocksource}: each reading of it is a system call or worse, a microsecond or more"
    return Finding("clocksource", "warn", text, "a machine whose clocksource is tsc or kvm-clock")


def _cpus(cpus: frozenset[int]) -> str:
    return f"CPU{'s' if len(cpus) > 1 else ''} {format_cpus(cpus)}"
