"""HAProxy's own page in the format of Prometheus, which not every build of it has."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from typing import TYPE_CHECKING

from seatrial.machine.processes import programs

if TYPE_CHECKING:
    from pathlib import Path

    from seatrial.machine.processes.programs import Program

FRONTEND = "seatrial_metrics"
PATH = "/metrics"
_SERVICE = "prometheus-exporter"
_LIMIT_S = 60


def is_built_in(program: Program) -> bool:
    """Return whether the HAProxy that would be used has it; one that does not refuses a configuration that names it."""
    return _says_so(programs.find(program))


@cache
def _says_so(path: Path) -> bool:
    environment = {**os.environ, **programs.libraries_of(path)}
    answer = subprocess.run(
        [path, "-vv"], capture_output=True, text=True, timeout=_LIMIT_S, check=False, env=environment
    )
    services = (line for line in answer.stdout.splitlines() if line.startswith("Available services"))
    return any(_SERVICE in line for line in services)
