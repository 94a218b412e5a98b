"""stdout and stderr that may be closed, full or unread: no command ends for that, and data that was lost is said."""

from __future__ import annotations

import errno
import io
import os
import select
import sys
from typing import TYPE_CHECKING, TextIO

from seatrial.cli.console.errors import print_error
from seatrial.errors import EnvironmentFault, ExitCode

if TYPE_CHECKING:
    from typing_extensions import Buffer

STANDARD_DESCRIPTORS = (0, 1, 2)


class _Patient(io.FileIO):
    """Where output goes whatever becomes of it: what cannot be written is dropped, and why is kept in ``lost``.

    The command goes on to its end, since its files and its exit code do not depend on its text. A reader that left
    before the end, as ``head`` does, had what it wanted: nothing was lost. A terminal that was closed (SIGHUP) is such
    a reader, too.
    """

    lost: OSError | None = None
    was_closed = False

    def __init__(self, file: int | str, *, closefd: bool = True) -> None:
        super().__init__(file, "w", closefd=closefd)
        # Once it has been closed, a terminal does not answer that it is one.
        self._left = {errno.EPIPE, errno.EIO} if self.isatty() else {errno.EPIPE}

    def write(self, data: Buffer, /) -> int:
        size = memoryview(data).nbytes
        if self.was_closed:
            self.lost = OSError(errno.EBADF, "it is closed") if size else self.lost
            return size
        while True:
            try:
                written = super().write(data)
            except OSError as error:
                if error.errno not in self._left:
                    self.lost = self.lost or error
                return size
            if written is not None:
                return written
            # A pipe that another program made non-blocking, and that is full for now.
            select.select([], [self], [])


def make_patient() -> None:
    """Replace stdout and stderr by ones that never fail; to be called before anything is opened."""
    _fill_standard_descriptors()
    sys.stdout, sys.stderr = _patient(sys.stdout), _patient(sys.stderr)


def settle(code: int) -> int:
    """Write what is left; return the exit code, which is that of a fault where data on stdout was lost.

    An objective's or a measurement's code would say that there are results to look at.
    """
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    lost = _lost(sys.stdout)
    if lost is None:
        return code
    print_error(
        EnvironmentFault(
            f"stdout cannot be written: {lost.strerror or lost}",
            cause="what the command printed is lost, or a part of it",
            next_step="send stdout to a place that takes it; what went into files is there",
        )
    )
    sys.stderr.flush()
    return code if code in {ExitCode.BAD_INPUT, ExitCode.INTERRUPTED} else ExitCode.ENVIRONMENT


def _fill_standard_descriptors() -> None:
    # A file or a socket opened under a closed stream's number would be taken for that stream by whoever writes to it.
    for descriptor in STANDARD_DESCRIPTORS:
        try:
            os.fstat(descriptor)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _patient(stream: TextIO | None) -> TextIO:
    # One that was closed before the program began is None.
    if stream is None:
        file = _Patient(os.devnull)
        file.was_closed = True
        return io.TextIOWrapper(io.BufferedWriter(file), "utf-8", "backslashreplace")
    # One that was put in its place, as tests do, need not be a file.
    if not isinstance(stream, io.TextIOWrapper) or not isinstance(
        stream.buffer, io.BufferedWriter | io.FileIO
    ):
        return stream
    file = _Patient(stream.fileno(), closefd=False)
    return io.TextIOWrapper(
        # PYTHONUNBUFFERED leaves the buffer out.
        file if isinstance(stream.buffer, io.FileIO) else io.BufferedWriter(file),
        stream.encoding,
        # A character that a terminal cannot show is no reason to show nothing.
        "backslashreplace" if stream.errors == "strict" else stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )


def _lost(stream: TextIO) -> OSError | None:
    buffer = getattr(stream, "buffer", None)
    file = getattr(buffer, "raw", buffer)
    return file.lost if isinstance(file, _Patient) else None
