"""What ``seatrial check PLAN --tune`` prints and writes of the kernel's settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seatrial.machine.settings import format_values, network_namespace

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from seatrial.preflight.tuning.survey import Setting
    from seatrial.run.tuning import Tuned

NO_LOWER = "none is set to less than it is"


def settings_text(settings: Sequence[Setting]) -> str:
    """Return every setting with its value, the value needed and why, and below them what to do."""
    return "\n".join(_lines(settings))


def tuned_text(tuned: Tuned) -> str:
    """Return what was set."""
    from seatrial.run.tuning import applied_text

    if tuned.record is None:
        return "nothing was set: nothing falls short that may be set from here"
    lines = [applied_text(applied) for applied in tuned.applied]
    return "\n".join([*lines, f"to put it back: seatrial clean --runs {tuned.record}"])


def settings_document(settings: Sequence[Setting], tuned: Tuned | None) -> dict[str, Any]:
    """Return the same for programs: the part of the check's document that ``--tune`` adds."""
    document: dict[str, Any] = {
        "network_namespace": network_namespace(),
        "settings": [
            {
                "name": setting.name,
                "state": setting.state,
                "scope": setting.scope,
                "now": setting.now,
                "needed": setting.needed,
                "amount": setting.amount,
                "unit": setting.unit,
                "why": setting.why,
                "case": setting.case,
                "problem": setting.problem,
                "remedy": setting.remedy,
            }
            for setting in settings
        ],
    }
    if tuned is not None:
        document["record"] = None if tuned.record is None else str(tuned.record)
        document["applied"] = [
            {
                "name": applied.setting.name,
                "before": applied.setting.now,
                "after": applied.setting.needed if not applied.problem else applied.setting.now,
                "problem": applied.problem,
            }
            for applied in tuned.applied
        ]
    return document


def _lines(settings: Sequence[Setting]) -> Iterator[str]:
    namespace = network_namespace()
    here = f", {namespace}" if namespace else ""
    yield f"kernel settings that the plan needs; those of a network namespace are of the one that this runs in{here}"
    width = max(len(setting.name) for setting in settings)
    for setting in settings:
        first, *more = _lines_of(setting)
        yield f"{setting.state:7}  {setting.name:{width}}  {first}"
        yield from (f"{'':7}  {'':{width}}  {line}" for line in more)
    yield from ("", *_advice(settings))


def _lines_of(setting: Setting) -> Iterator[str]:
    now = "?" if setting.now is None else format_values(setting.now)
    is_short = setting.state == "short"
    yield f"{now} -> {format_values(setting.needed or ())}" if is_short else now
    case = f"; case {setting.case}" if setting.case else ""
    yield f"needed: {f'{setting.amount} {setting.unit}'.strip()}: {setting.why}{case}"
    if setting.problem:
        yield f"{'cannot be set from here' if is_short else 'not known'}: {setting.problem}"
    if setting.remedy:
        yield f"remedy: {setting.remedy}"


def _advice(settings: Sequence[Setting]) -> Iterator[str]:
    from seatrial.preflight.tuning.rules import NOFILE
    from seatrial.preflight.tuning.survey import SYSCTL_FILE

    short = [setting for setting in settings if setting.state == "short"]
    if not short:
        yield "no setting falls short"
        return
    if any(setting.can_be_set for setting in short):
        yield f"`--tune --apply` sets those that may be set from here, `seatrial clean` puts them back; {NO_LOWER}"
    kept = [its for its in short if its.name != NOFILE]
    if kept:
        yield f"for whoever owns the machine, to last over a restart, in {SYSCTL_FILE}:"
        yield from (f"  {its.name} = {format_values(its.needed or ())}" for its in kept)
    if any(its.scope == "network namespace" and its.problem for its in short):
        yield (
            "a container has a network namespace of its own: its net settings are given where it is started "
            "(`docker run --sysctl NAME=VALUE`, `securityContext.sysctls` of a pod)"
        )
