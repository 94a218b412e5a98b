"""What every setting is, what a plan needs it to be, and what can be done about one that falls short."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from seatrial.machine.settings import (
    ROOT,
    Reading,
    Values,
    format_values,
    read_setting,
    why_not_writable,
)
from seatrial.preflight.cases import needs_of_case
from seatrial.preflight.tuning.rules import NOFILE, RULES, Amount, Rule, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from seatrial.machine.facts import Machine
    from seatrial.plan.cases import Case
    from seatrial.preflight.needs import Needs

State = Literal["enough", "short", "unknown"]
_STATES: tuple[State, ...] = ("short", "unknown", "enough")
SYSCTL_FILE = "/etc/sysctl.d/90-seatrial.conf"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. ``amount`` is what the plan needs, in ``unit``; ``needed`` is the value that gives it, never lower.

    ``now`` and ``needed`` are None where the value cannot be known, and ``problem`` says why; so it does where it falls
    short and cannot be set from here. ``case`` is the case that needs most, ``why`` the arithmetic of that.
    """

    name: str
    scope: Scope
    unit: str
    amount: int
    now: Values | None
    needed: Values | None
    why: str
    case: str = ""
    problem: str = ""

    @property
    def state(self) -> State:
        """Whether it is enough."""
        if self.now is None:
            return "unknown"
        return "enough" if self.now == self.needed else "short"

    @property
    def can_be_set(self) -> bool:
        """Whether it falls short and may be set from here."""
        return self.state == "short" and not self.problem

    @property
    def remedy(self) -> str:
        """What whoever owns the machine has to do; empty where nothing."""
        if self.state != "short" or self.needed is None:
            return ""
        value = format_values(self.needed)
        if self.name == NOFILE:
            return f"`ulimit -Hn {value}` as root before the start, `LimitNOFILE={value}`, or `--ulimit nofile={value}`"
        return f"sysctl -w {self.name}='{value}'" if " " in value else f"sysctl -w {self.name}={value}"


def settings_of_cases(cases: Sequence[Case], machine: Machine, root: Path = ROOT) -> tuple[Setting, ...]:
    """Return every setting that a plan's cases need, each by the case that needs most of it; short ones first."""
    needs = {case.id: needs_of_case(case) for case in cases}
    found = (setting_of(rule, needs, machine, *_read(rule, machine, root)) for rule in RULES)
    settings = (setting for setting in found if setting is not None)
    return tuple(sorted(settings, key=lambda setting: _STATES.index(setting.state)))


def shortage_text(settings: Sequence[Setting]) -> str:
    """Return in a sentence which settings fall short, without a full stop; empty where none does."""
    short = [setting for setting in settings if setting.state == "short"]
    if not short:
        return ""
    each = (
        f"{its.name} is {format_values(its.now or ())}, needed: {format_values(its.needed or ())}"
        for its in short
    )
    return f"kernel settings fall short of what the plan needs: {'; '.join(each)}"


def setting_of(
    rule: Rule, needs: Mapping[str, Needs], machine: Machine, reading: Reading, not_writable: str
) -> Setting | None:
    """Return one that was read somewhere, by the case that needs most of it; None where none needs it.

    ``not_writable`` says why it cannot be set there; empty where it can.
    """
    amounts = [(case, amount) for case, its in needs.items() if (amount := rule.needed(its, machine))]
    if not amounts:
        return None
    case, most = max(amounts, key=lambda pair: pair[1].amount)
    # Where every case needs the same, none is worth a name.
    named = case if len({amount.amount for _, amount in amounts}) > 1 else ""
    return _held_against(rule, most, reading, not_writable, named)


def _read(rule: Rule, machine: Machine, root: Path) -> tuple[Reading, str]:
    if rule.name == NOFILE:
        return Reading((machine.nofile_hard,)), "each process has its own, from who starts it"
    return read_setting(rule.name, root), why_not_writable(rule.name, root) or ""


def _held_against(rule: Rule, most: Amount, reading: Reading, not_writable: str, case: str) -> Setting:
    def setting(now: Values | None, needed: Values | None, problem: str) -> Setting:
        return Setting(rule.name, rule.scope, rule.unit, most.amount, now, needed, most.why, case, problem)

    if reading.values is None:
        return setting(None, None, _unknown(rule, reading.problem))
    try:
        needed = rule.raised(reading.values, most.amount)
    except ValueError:
        found = format_values(reading.values)
        return setting(None, None, f"it holds {found!r}, which is not what this setting holds")
    return setting(reading.values, needed, not_writable if needed != reading.values else "")


def _unknown(rule: Rule, problem: str) -> str:
    if rule.scope == "machine" and rule.name.startswith("net."):
        return f"{problem}: it is of the whole machine, and shown in its first network namespace only"
    return problem
