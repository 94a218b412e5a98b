"""Where things are in a run directory."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from seatrial.errors import RecordError
from seatrial.record.storage import BROKEN, storage_fault

if TYPE_CHECKING:
    from pathlib import Path

# Runs of one plan that start in the same second get a number; nobody starts more than this many.
SAME_SECOND_LIMIT = 1_000


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """The paths inside one run directory."""

    path: Path

    @property
    def plan(self) -> Path:
        """The plan as given."""
        return self.path / "plan.yaml"

    @property
    def database(self) -> Path:
        """The truth."""
        return self.path / "record.db"

    @property
    def logs(self) -> Path:
        """What the processes printed."""
        return self.path / "logs"

    @property
    def configs(self) -> Path:
        """The configurations that the systems ran with."""
        return self.path / "configs"

    @property
    def histograms(self) -> Path:
        """One ``.hlog`` for each trial and kind."""
        return self.path / "histograms"


def last_number(directory: RunDirectory) -> int:
    """Return the highest number of a trial that has a folder here, 0 without any.

    After a power failure the record may lack a trial whose folders are there.
    """
    folders = (*directory.configs.glob("[0-9]*-*"), *directory.logs.glob("[0-9]*-*"))
    numbers = (folder.name.partition("-")[0] for folder in folders)
    return max((int(number) for number in numbers if number.isdecimal()), default=0)


def make_directory(parent: Path, plan_name: str) -> RunDirectory:
    """Make ``<UTC time>-<plan name>`` with its folders under ``parent``.

    Raises ``RecordError`` where it may not be made there, ``StorageFault`` where the disk does not take it.
    """
    directory = RunDirectory(
        _make_unique(parent, f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{file_safe(plan_name)}")
    )
    try:
        for folder in (directory.logs, directory.configs, directory.histograms):
            folder.mkdir()
    except OSError as error:
        shutil.rmtree(directory.path, ignore_errors=True)
        raise storage_fault(f"cannot make a record under {parent}", error, parent) from error
    return directory


def file_safe(name: str) -> str:
    """Return ``name`` with everything that a shell or a file system might mind replaced by a dash."""
    return re.sub(r"[^A-Za-z0-9._=-]+", "-", name).strip("-.") or "run"


def _make_unique(parent: Path, name: str) -> Path:
    candidates = [name, *(f"{name}-{number}" for number in range(2, SAME_SECOND_LIMIT))]
    for candidate in candidates:
        try:
            (parent / candidate).mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            if error.errno in BROKEN:
                raise storage_fault(f"cannot make a record under {parent}", error, parent) from error
            raise RecordError(
                f"cannot make a run directory under {parent}",
                cause=error.strerror,
                next_step="give a directory that can be written",
            ) from error
        return parent / candidate
    raise RecordError(
        f"{parent} holds {SAME_SECOND_LIMIT} runs named {name}", next_step="give another directory"
    )
