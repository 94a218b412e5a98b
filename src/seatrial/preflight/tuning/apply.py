"""Setting what falls short: the old value is written down first, the new one read back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from seatrial.machine import proc
from seatrial.machine.settings import ROOT, format_values, network_namespace, read_setting, write_setting

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from seatrial.machine.processes.changes import ChangeLog
    from seatrial.preflight.tuning.survey import Setting


@dataclass(frozen=True, slots=True)
class Applied:
    """A setting that was to be set; ``problem`` says why it was not."""

    setting: Setting
    problem: str = ""


def apply_settings(settings: Iterable[Setting], changes: ChangeLog, root: Path = ROOT) -> tuple[Applied, ...]:
    """Set each that falls short and may be set from here; the log keeps it open, so that ``seatrial clean`` finds it.

    Raises ``StorageFault`` where the old value cannot be written down: that setting is not touched.
    """
    return tuple(_apply(setting, changes, root) for setting in settings if setting.can_be_set)


def _apply(setting: Setting, changes: ChangeLog, root: Path) -> Applied:
    assert setting.now is not None
    assert setting.needed is not None
    detail = {
        "name": setting.name,
        "before": format_values(setting.now),
        "after": format_values(setting.needed),
        "namespace": network_namespace(),
        "boot_id": proc.boot_id(),
    }
    change = changes.will_start("sysctl", detail)
    problem = write_setting(setting.name, setting.needed, root)
    if problem is None:
        return Applied(setting)
    # Whatever became of it, it is to be as it was; where it is not, `seatrial clean` has to try.
    if read_setting(setting.name, root).values != setting.now:
        write_setting(setting.name, setting.now, root)
    if read_setting(setting.name, root).values == setting.now:
        changes.undone(change)
    return Applied(setting, problem)
