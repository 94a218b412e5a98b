"""How a proxy's program is run: to validate a configuration, and to serve by it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from seatrial.errors import SystemFault
from seatrial.machine.processes import programs
from seatrial.machine.processes.guard import Command, last_lines, run_to_end
from seatrial.systems.local.ready import VALIDATE_LIMIT_S

if TYPE_CHECKING:
    from pathlib import Path

    from seatrial.systems.base import Launch
    from seatrial.systems.local.dialect import Prepared


def log_of(launch: Launch) -> Path:
    """Return the file that its output goes to."""
    return launch.log_directory / f"{launch.label}.log"


def command_of(
    name: str, program: Path, arguments: tuple[str, ...], prepared: Prepared, launch: Launch, log: Path
) -> Command:
    """Return the command that runs it at its place, with the libraries that an unpacked program brings along."""
    environment = {**os.environ, **programs.libraries_of(program), **prepared.environment}
    stdout = prepared.stdout if arguments is prepared.run and prepared.stdout else log
    argv, at = (str(program), *arguments), launch.place
    return Command(name, argv, stdout, log, environment=environment, namespace=at.namespace, cpus=at.cpus)


async def validate(launch: Launch, program: Path, prepared: Prepared) -> None:
    """Have it check the configuration, where it can; raise ``SystemFault`` with its own words where it refuses."""
    if prepared.validate is None:
        return
    log = launch.log_directory / f"{launch.label}-validate.log"
    log.unlink(missing_ok=True)
    name = f"the validation of {launch.label}'s configuration"
    command = command_of(name, program, prepared.validate, prepared, launch, log)
    refused = await run_to_end(command, launch.changes, VALIDATE_LIMIT_S) != 0
    said = log.read_text(errors="replace") if prepared.objections and log.exists() else ""
    if refused or any(words in said for words in prepared.objections):
        raise SystemFault(
            f"{launch.label} refuses its configuration in {launch.directory}",
            cause=last_lines(log) or None,
            next_step="correct the plan's options for this system, or read the configuration",
        )
