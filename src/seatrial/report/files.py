"""Files that results go to: tried before the work that they are for, and refused in words."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from seatrial.errors import EnvironmentFault, PlanError


def require_writable(targets: Iterable[str | Path | None]) -> None:
    """Raise ``EnvironmentFault`` for the first file that cannot be written; None and ``-`` are no files.

    To be called before the work whose result goes there. What is in a file stays, and none is left behind.
    """
    for target in targets:
        if target is None or target == "-":
            continue
        try:
            _try_to_open(Path(target))
        except OSError as error:
            raise unwritable(target, error) from None
        except ValueError as error:
            # No name of a file holds a zero byte.
            raise PlanError(f"{str(target)!a} cannot be written: {error}", next_step="name a file") from None


def _try_to_open(path: Path) -> None:
    was_there = path.exists()
    # A pipe's reader would take the probe for the end, so those are opened once only, when there is something to say.
    if was_there and not path.is_file() and not path.is_dir():
        return
    with path.open("ab"):
        pass
    if not was_there:
        path.unlink()


def unwritable(target: str | Path, error: OSError) -> EnvironmentFault:
    """Return the error that says why a file cannot be written."""
    return EnvironmentFault(
        f"{target} cannot be written: {error.strerror or error}",
        next_step="name a file in a directory that is there and may be written",
    )
