"""One measurement at a time on a machine: each says that it is there, and refuses to begin beside another.

Each has an entry of its own in one directory: a file with who it is, which it holds locked (flock) for as long as it
lives. The kernel lets go of the lock however the process ends, so an entry that is not locked is of nobody. The
directory itself is locked for the moments in which one looks whether it is alone and says that it is there. Who begins
beside others leaves each of them a note, so that they know of him although he may be gone when they look.

In containers with directories of their own they do not see each other; their CPU is seen all the same. A directory that
both share can be named (``SEATRIAL_LOCK_DIR``), and a machine that runs tests at a time gives each one of its own.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from seatrial.errors import EnvironmentFault

DIRECTORY_VARIABLE = "SEATRIAL_LOCK_DIR"
DIRECTORY = Path("/tmp/seatrial-loads")
"""One place for all users, whatever their TMPDIR says."""

SEEN = "another measurement of Seatrial was on this machine at the same time, so each took CPU from the other"
NOT_KNOWN = (
    "not known: whether another measurement was on this machine, for {path} cannot be locked ({cause})"
)
HELD = "another program keeps it for itself"
GATE_TRIES, GATE_REST_S = 200, 0.005
"""Whoever looks has the directory locked for a millisecond; nobody is waited for longer than a second."""
SUFFIX, NOTE = ".load", ".note"
ENTRY_BYTES_LIMIT = 4_096
ENTRIES_LIMIT = 1_000


@dataclass(frozen=True, slots=True)
class Measurement:
    """A measurement that goes on: what, where, whose, and since when."""

    what: str
    directory: str
    pid: int
    user: str
    host: str
    since_utc: str

    @classmethod
    def of_this_process(cls, what: str) -> Self:
        """Return what this process says of itself."""
        since = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(what, str(Path.cwd()), os.getpid(), _user(), os.uname().nodename, since)

    @property
    def text(self) -> str:
        """It, in a few words."""
        return (
            f"`{self.what}` in {self.directory}, process {self.pid} of {self.user} on {self.host}, "
            f"since {self.since_utc}"
        )


class OtherLoads:
    """Says that a measurement goes on here, and whether others do; use as a context manager.

    Entering raises ``EnvironmentFault`` where one goes on already, unless ``share`` allows that. Where nobody can know,
    it goes on and says so.
    """

    def __init__(self, what: str, *, share: bool, directory: Path | None = None) -> None:
        self.path = directory or Path(os.environ.get(DIRECTORY_VARIABLE) or DIRECTORY)
        self._own = Measurement.of_this_process(what)
        self._name = f"{os.urandom(16).hex()}{SUFFIX}"
        self._share = share
        self._descriptor = -1
        self._seen: dict[str, None] = {}
        self._read: set[str] = set()
        self._problem: str | None = None

    def __enter__(self) -> Self:
        """Take the place, beside others only where that is allowed."""
        try:
            with _opened(self.path) as directory, _gate(directory):
                others = dict(_living(directory, self._name))
                if others and not self._share:
                    raise _taken(tuple(others.values()))
                self._note(others.values())
                self._descriptor = _write_entry(directory, self._name, self._own)
                _leave_notes(directory, others, self._name, self._own)
        except OSError as error:
            self._give_up(error)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave it."""
        if self._descriptor >= 0:
            with suppress(OSError):
                (self.path / self._name).unlink()
            os.close(self._descriptor)
            self._descriptor = -1

    def is_in(self, directory: Path) -> None:
        """Say where the record is, for whoever finds the place taken."""
        if self._descriptor >= 0:
            with suppress(OSError):
                _write(self._descriptor, {**asdict(self._own), "directory": str(directory)})

    @property
    def seen(self) -> tuple[str, ...]:
        """The others that were there since it was told to forget, each in a few words."""
        return tuple(self._seen)

    def look(self) -> str | None:
        """Look once; return what is to be said, which is None as long as no other was there."""
        if self._descriptor >= 0:
            try:
                with _opened(self.path) as directory:
                    self._note(dict(_living(directory, self._name)).values())
                    self._note(_notes_for(directory, self._name, self._read))
            except OSError as error:
                self._give_up(error)
        return f"{SEEN}: {'; '.join(self._seen)}" if self._seen else self._problem

    def forget(self) -> None:
        """Forget what was seen: another trial begins."""
        self._seen = {}

    def _note(self, others: Iterable[Measurement]) -> None:
        self._seen |= dict.fromkeys(other.text for other in others)

    def _give_up(self, error: OSError) -> None:
        cause = HELD if isinstance(error, BlockingIOError) else error.strerror or error
        self._problem = NOT_KNOWN.format(path=self.path, cause=cause)


def _taken(others: tuple[Measurement, ...]) -> EnvironmentFault:
    return EnvironmentFault(
        f"another measurement of Seatrial goes on on this machine: {'; '.join(other.text for other in others)}",
        cause="two at a time take CPU from each other, and both measure the other one, too",
        next_step="wait for its end, or stop it; with --share-machine (in Python share_machine=True) it is begun all "
        "the same, and every output says what was beside it",
    )


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Open the directory, made where it is missing, for every user and where none can remove another's entry."""
    with suppress(FileExistsError):
        path.mkdir()
        path.chmod(0o1777)
    # A link in a place that all may write to is not followed.
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _gate(directory: int) -> Iterator[None]:
    for left in reversed(range(GATE_TRIES)):
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if not left:
                raise
            time.sleep(GATE_REST_S)
    try:
        yield
    finally:
        fcntl.flock(directory, fcntl.LOCK_UN)


def _living(directory: int, own: str) -> Iterator[tuple[str, Measurement]]:
    """Yield each other's entry by its name."""
    names = [name for name in os.listdir(directory) if name.endswith(SUFFIX) and name != own]
    for name in names[:ENTRIES_LIMIT]:
        # Gone by now, or another user's that may not be read: its lock cannot be asked for.
        with suppress(FileNotFoundError, PermissionError):
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(name, flags, dir_fd=directory)
            try:
                found = _read_entry(directory, name, descriptor)
            finally:
                os.close(descriptor)
            if found is not None:
                yield name, found


def _read_entry(directory: int, name: str, descriptor: int) -> Measurement | None:
    """Return whose it is; None, and the entry removed, where its process is no more."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        unknown = Measurement("seatrial", "a directory that it does not say", 0, "?", "?", "?")
        return _measurement(descriptor) or unknown
    # Its name is its own: nobody else's entry can have it by now.
    with suppress(OSError):
        os.unlink(name, dir_fd=directory)
    return None


def _measurement(descriptor: int) -> Measurement | None:
    try:
        return Measurement(**json.loads(os.pread(descriptor, ENTRY_BYTES_LIMIT, 0)))
    except (ValueError, TypeError, OSError):
        return None


def _leave_notes(directory: int, others: Iterable[str], name: str, own: Measurement) -> None:
    """Leave one for each of the others, and remove those that nobody can be waiting for any more."""
    for other in others:
        with suppress(OSError):
            os.close(_write_entry(directory, f"{other}.{name}{NOTE}", own))
    names = set(os.listdir(directory))
    for note in names:
        if note.endswith(NOTE) and note.partition(SUFFIX)[0] + SUFFIX not in names:
            with suppress(OSError):
                os.unlink(note, dir_fd=directory)


def _notes_for(directory: int, own: str, read: set[str]) -> Iterator[Measurement]:
    """Yield whoever has left a note since; another user's cannot be removed, but is read once."""
    for note in sorted(os.listdir(directory)):
        if not (note.startswith(f"{own}.") and note.endswith(NOTE)) or note in read:
            continue
        read.add(note)
        with suppress(OSError):
            descriptor = os.open(
                note, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory
            )
            try:
                found = _measurement(descriptor)
            finally:
                os.close(descriptor)
            if found is not None:
                yield found
            os.unlink(note, dir_fd=directory)


def _write_entry(directory: int, name: str, own: Measurement) -> int:
    """Make an entry that is locked before anybody can see it; return what holds the lock."""
    draft = f".{name}"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(draft, flags, 0o644, dir_fd=directory)
    try:
        os.fchmod(descriptor, 0o644)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _write(descriptor, asdict(own))
        os.rename(draft, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _write(descriptor: int, document: dict[str, Any]) -> None:
    text = json.dumps(document).encode()
    # One write, and blanks where the old one was longer: who reads now finds one of the two.
    os.pwrite(descriptor, text.ljust(os.fstat(descriptor).st_size), 0)


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        # A container runs as a user without a name.
        return str(os.getuid())
