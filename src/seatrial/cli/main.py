"""The command line: finds a command, and turns its errors into words and an exit code."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable

import click

from seatrial._version import __version__
from seatrial.cli.console.errors import print_error
from seatrial.cli.console.streams import make_patient, settle
from seatrial.errors import ExitCode, SeatrialError

COMMANDS = {
    **dict.fromkeys(
        ("run", "load", "origin", "check", "plan", "manifests", "report", "note"), "seatrial.cli"
    ),
    **dict.fromkeys(("serve", "observe", "export", "dashboards", "rules"), "seatrial.cli.monitoring"),
    **dict.fromkeys(("openstack", "discoverer", "gate"), "seatrial.cli.discovery"),
    "clean": "seatrial.cli",
}
"""In the order in which a person meets them, each with the package whose module of its name has it."""


class LazyGroup(click.Group):
    """Imports a command's module when it is asked for: ``seatrial load`` starts without what reports need."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the commands, in order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return the command that the module of this name exposes; the context's object hears that it is loaded."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"{COMMANDS[cmd_name]}.{cmd_name}")
        if ctx.obj is not None:
            ctx.obj()
        command: click.Command = getattr(module, cmd_name)
        return command


@click.group(
    cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="seatrial")
def seatrial() -> None:
    """Sea trials for the front door of a Kubernetes cluster.

    One plan file in, a verdict one can trust out.
    """


def main(arguments: list[str] | None = None, loaded: Callable[[], None] | None = None) -> None:
    """Run a command and leave with the exit code that scripts rely on; no traceback reaches a person.

    ``loaded`` is called when the command's module has been imported.
    """
    make_patient()
    try:
        code = _run(arguments, loaded)
    except SystemExit as ended:
        code = ExitCode.PASS if ended.code is None else int(ended.code)
    sys.exit(settle(code))


def _run(arguments: list[str] | None, loaded: Callable[[], None] | None) -> int:
    try:
        code = seatrial.main(arguments, prog_name="seatrial", standalone_mode=False, obj=loaded)
    except click.ClickException as error:
        error.show()
        return ExitCode.BAD_INPUT
    except (click.Abort, KeyboardInterrupt):
        return ExitCode.INTERRUPTED
    except SeatrialError as error:
        print_error(error)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the last net: a bug is shown as one, not as a wall of text
        known = _of_disk(error)
        print_error(known or _bug(error))
        return ExitCode.ENVIRONMENT
    return code if isinstance(code, int) else ExitCode.PASS


def _of_disk(error: Exception) -> SeatrialError | None:
    """Return what to say where a file could not be written because its disk is full, broken or read-only."""
    if not isinstance(error, OSError) or error.filename is None:
        return None
    from pathlib import Path

    from seatrial.record.storage import is_of_disk, storage_fault

    path = Path(os.fsdecode(error.filename))
    return storage_fault(f"{path} cannot be written", error, path) if is_of_disk(error) else None


def _bug(error: Exception) -> SeatrialError:
    return SeatrialError(f"seatrial has a bug: {type(error).__name__}: {error}", next_step=_kept(error))


def _kept(error: Exception) -> str:
    import traceback
    from tempfile import NamedTemporaryFile

    try:
        with NamedTemporaryFile("w", prefix="seatrial-bug-", suffix=".txt", delete=False) as file:
            traceback.print_exception(error, file=file)
    except OSError:
        # A disk that takes nothing may be why there was an error at all.
        places = ", ".join(
            f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)
        )
        return f"report it with these places: {places}"
    return f"report it with the file {file.name}"


if __name__ == "__main__":
    main()
