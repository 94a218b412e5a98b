"""Setting what a plan needs of the kernel, with a record of its own, from which ``seatrial clean`` puts it back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from seatrial.machine.settings import format_values
from seatrial.plan.read import GivenPlan
from seatrial.plan.shown.compiled import compiled_document
from seatrial.preflight.tuning.apply import Applied, apply_settings
from seatrial.preflight.tuning.survey import Setting
from seatrial.record.environment import describe
from seatrial.record.events import Noted, RunEnded, RunStarted
from seatrial.record.writer import RunWriter
from seatrial.run.others import OtherLoads


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was set, and the record of it; no record where there was nothing to set."""

    record: Path | None
    applied: tuple[Applied, ...]


def tune(given: GivenPlan, settings: Sequence[Setting], runs: Path) -> Tuned:
    """Set what falls short and may be set.

    Raises ``StorageFault`` or ``RecordError`` where it cannot be recorded, ``EnvironmentFault`` where something is
    measured on this machine.
    """
    if not any(setting.can_be_set for setting in settings):
        return Tuned(None, ())
    # Somebody's measurement under way is not to change its ground.
    with OtherLoads("seatrial check --tune --apply", share=False):
        return _tune(given, settings, runs)


def _tune(given: GivenPlan, settings: Sequence[Setting], runs: Path) -> Tuned:
    # Without its cases: none of them is going to run.
    compiled = json.dumps(compiled_document(given.plan, ()))
    with RunWriter.create(runs.resolve(), f"tune-{given.plan.name}", given.text, compiled) as writer:
        # As it was before anything was set.
        writer.environment(describe({}))
        writer.append(RunStarted(writer.path.name, given.plan.name, 0))
        applied = apply_settings(settings, writer)
        for one in applied:
            writer.append(Noted("seatrial", applied_text(one)))
        writer.append(RunEnded("finished"))
        return Tuned(writer.path, applied)


def applied_text(applied: Applied) -> str:
    """Return what became of one, in a line."""
    setting = applied.setting
    step = f"{setting.name}: {format_values(setting.now or ())} -> {format_values(setting.needed or ())}"
    return f"{step}, not set: {applied.problem}" if applied.problem else f"{step}, set"
