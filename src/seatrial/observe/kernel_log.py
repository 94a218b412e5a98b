"""What the kernel itself reports meanwhile, from /dev/kmsg: the few messages that matter to a measurement."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path

from seatrial.observe.samples import KernelMessage

KMSG = Path("/dev/kmsg")
READ_BYTES = 8_192
"""One record is never longer (Documentation/ABI/testing/dev-kmsg)."""
READS_LIMIT = 2_000
"""At one look. A kernel that reports more than this in a second reports nothing else of use."""

KINDS = {
    # What counters tell, too, with how often; the kernel limits how often it says it.
    "syn_flood": r"Possible SYN flooding",
    "conntrack_full": r"nf_conntrack: (?:\S+: )?table full",
    "tcp_memory": r"TCP: out of memory|too many orphaned sockets|TCP: time wait bucket table overflow",
    "oom_kill": r"Out of memory: Kill|Memory cgroup out of memory: Kill|oom-kill:",
    # What no counter tells.
    "neighbours_full": r"neighbour: \S+: neighbor table overflow|[Nn]eighbour table overflow",
    "files_full": r"VFS: file-max limit \d+ reached",
    "allocation_failed": r"page allocation (?:failure|stalls)",
    "link": r"NETDEV WATCHDOG|[Ll]ink is [Dd]own",
    "stuck": r"soft lockup|hard LOCKUP|rcu\w*: INFO: rcu\S* (?:self-)?detected|blocked for more than \d+ seconds",
    "real_time_throttled": r"sched: RT throttling activated",
    "clock": r"clocksource: .*(?:unstable|skew)",
    "hardware": r"cpu clock throttled|Hardware Error|I/O error, dev|EXT4-fs error|XFS .*(?:[Ee]rror|shutdown)",
    "bug": r"kernel BUG at|BUG: unable to handle|general protection fault",
}
"""Kinds of messages, each with what tells it. The first that fits counts."""
_KINDS = {kind: re.compile(pattern) for kind, pattern in KINDS.items()}


class KernelLog:
    """Follows the kernel's messages from where it is opened. ``unreadable`` is why it cannot be; None where it can.

    ``lost`` counts how often messages were overwritten before they were read.
    """

    def __init__(self, path: Path = KMSG) -> None:
        self.unreadable: str | None = None
        self.lost = 0
        self._descriptor = -1
        self._read_s = 0.0
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            # What was said before is of no trial.
            os.lseek(self._descriptor, 0, os.SEEK_END)
        except OSError as error:
            self.close()
            self.unreadable = f"{path}: {error.strerror}"

    def read(self, at_s: float) -> list[KernelMessage]:
        """Return what has been reported since the last look and matters; ``at_s`` is now."""
        since_s, self._read_s = self._read_s or at_s, at_s
        return [
            message
            for record in self._records()
            if (message := message_of(record, since_s, at_s)) is not None
        ]

    def close(self) -> None:
        """Let go of it; harmless when it was never open."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _records(self) -> list[str]:
        lines: list[str] = []
        for _ in range(READS_LIMIT if self._descriptor >= 0 else 0):
            try:
                data = os.read(self._descriptor, READ_BYTES)
            except BlockingIOError:
                break
            except BrokenPipeError:
                # The next read goes on with the oldest that is left.
                self.lost += 1
                continue
            except OSError as error:
                self.unreadable = str(error)
                self.close()
                break
            if not data:
                break
            lines += data.decode(errors="replace").splitlines()
        return lines


def message_of(record: str, since_s: float, at_s: float) -> KernelMessage | None:
    """Return the message of a record, ``6,1234,5140900,-;text``, if it is of a kind that matters.

    Its time is the kernel's own, which runs apart from the clock that the program reads by as much as the clock was
    set right since boot; so it is taken to lie between the two looks that it was found between.
    """
    head, semicolon, text = record.partition(";")
    fields = head.split(",")
    # A line that begins with a space holds a property of the record before it.
    if not semicolon or record.startswith(" ") or len(fields) < 3:
        return None
    kind = next((kind for kind, pattern in _KINDS.items() if pattern.search(text)), None)
    if kind is None:
        return None
    said_s = at_s
    with suppress(ValueError):
        said_s = int(fields[2]) / 1e6
    return KernelMessage(min(max(said_s, since_s), at_s), kind, text.strip())
