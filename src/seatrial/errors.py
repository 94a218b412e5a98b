"""Every error that a person may see, and whose fault it is.

The tree::

    SeatrialError
    ├── PlanError          the plan file, or the words on the command line     exit 2
    ├── EnvironmentFault   this machine: limits, ports, missing programs       exit 4
    │   ├── StorageFault   its disk: full, broken, read-only                   exit 4
    │   └── ClusterFault   a cluster: not reached, not allowed, refused by it  exit 4
    ├── GeneratorFault     the load generator itself                           exit 4
    ├── SystemFault        the system under test or its origin                 exit 4
    ├── RecordError        a run directory that cannot be read or written      exit 2
    └── InvalidMeasurement a result that may not be believed, where it must be exit 3

An error says what happened (``str(error)``), the likely cause, and the next step. The command line prints all three and
never a traceback; in Python the last two are notes, which stand below a traceback's last line.
"""

from __future__ import annotations

import re
from enum import IntEnum

_NOT_PRINTED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class ExitCode(IntEnum):
    """What the process reports to the shell."""

    PASS = 0
    OBJECTIVE_FAILED = 1
    BAD_INPUT = 2
    INVALID_MEASUREMENT = 3
    ENVIRONMENT = 4
    INTERRUPTED = 130


def printable(text: str) -> str:
    """Return a text of somebody else's as it may be shown and kept.

    What would command a terminal, or is no character of UTF-8, is replaced; line breaks stay.
    """
    return _NOT_PRINTED.sub("\ufffd", text.replace("\r\n", "\n"))


class SeatrialError(Exception):
    """The root; not raised itself. What it says may quote others: a server's answer, a proxy's log."""

    fault: str = "seatrial"
    exit_code: ExitCode = ExitCode.ENVIRONMENT

    def __init__(self, what: str, *, cause: str | None = None, next_step: str | None = None) -> None:
        what = printable(what)
        super().__init__(what)
        self.what = what
        self.cause = None if cause is None else printable(cause)
        self.next_step = None if next_step is None else printable(next_step)
        if self.cause:
            self.add_note(f"cause: {self.cause}")
        if self.next_step:
            self.add_note(f"hint: {self.next_step}")

    @property
    def line(self) -> str:
        """What happened, and the likely cause, for where there is room for one line."""
        return " ".join(f"{self.what}{f' ({self.cause})' if self.cause else ''}".split())


class PlanError(SeatrialError):
    """The plan or an argument is wrong; ``what`` may hold several located messages, one a line."""

    fault = "plan"
    exit_code = ExitCode.BAD_INPUT


class EnvironmentFault(SeatrialError):
    """This machine cannot do what is asked."""

    fault = "environment"


class StorageFault(EnvironmentFault):
    """What a run leaves cannot be written; ``is_read_only`` where its place does not allow it to anybody like us."""

    def __init__(
        self,
        what: str,
        *,
        cause: str | None = None,
        next_step: str | None = None,
        is_read_only: bool = False,
    ) -> None:
        super().__init__(what, cause=cause, next_step=next_step)
        self.is_read_only = is_read_only


class ClusterFault(EnvironmentFault):
    """A Kubernetes cluster cannot be reached, does not let us, or did not take what was asked of it.

    ``status`` is that of the API server's answer, 0 where none came, and ``reason`` the word that it gave, such as
    ``AlreadyExists``; empty without one.
    """

    def __init__(
        self,
        what: str,
        *,
        cause: str | None = None,
        next_step: str | None = None,
        status: int = 0,
        reason: str = "",
    ) -> None:
        super().__init__(what, cause=cause, next_step=next_step)
        self.status = status
        self.reason = reason


class GeneratorFault(SeatrialError):
    """The load generator failed, not what it was testing."""

    fault = "generator"


class SystemFault(SeatrialError):
    """The system under test, or the origin behind it, did not come up or went away."""

    fault = "system under test"


class RecordError(SeatrialError):
    """A run directory is missing, foreign or broken."""

    fault = "record"
    exit_code = ExitCode.BAD_INPUT


class InvalidMeasurement(SeatrialError):
    """The numbers of a load may not be believed, and the caller asked for ones that may."""

    fault = "measurement"
    exit_code = ExitCode.INVALID_MEASUREMENT
