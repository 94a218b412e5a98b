"""What the workers of a load take from their machine, read where its phases begin and end."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from seatrial.generator.account import WorkersCost
from seatrial.machine.counters.tcp import listen_overflows
from seatrial.machine.cpus.shares import CpuShares, CpuTimes, read_times, shares_between
from seatrial.machine.memory import pss_bytes
from seatrial.machine.throttling import cpu_stat_files, throttled_s

if TYPE_CHECKING:
    from seatrial.machine.namespace import Namespace
    from seatrial.record.events import Phase


class CostMeter:
    """Reads the counters of the workers and of this machine.

    What answers listens in one of the ``networks`` of this machine; empty where it runs elsewhere.
    """

    def __init__(self, pids: Sequence[int], *, networks: Sequence[Namespace | None] = ()) -> None:
        self._pids = pids
        self._networks = networks
        # Workers share their parent's control group, so one of them stands for all.
        self._cpu_stats = cpu_stat_files(pids[0])
        self._throttled_before_s = 0.0
        self._overflows_before: int | None = None
        self._times_before: CpuTimes | None = None
        self._pss_bytes = 0
        self._throttled_s = 0.0
        self._listen_overflows: int | None = None
        self._cpu: CpuShares | None = None

    def on_phase(self, phase: Phase) -> None:
        """Read what is of the phase that begins, and of the one that ends."""
        if phase == "ramp" and self._networks:
            self._overflows_before = listen_overflows(self._networks)
        elif self._overflows_before is not None and self._listen_overflows is None:
            # Whatever follows the ramp ends it.
            self._listen_overflows = (listen_overflows(self._networks) or 0) - self._overflows_before
        # Stopped before its window begins, a load was held back since its ramp, not for as long as its group exists.
        if phase in {"ramp", "measure"}:
            self._throttled_before_s = self._throttled_so_far_s()
        if phase == "measure":
            self._times_before = read_times((os.getpid(), *self._pids))
        if phase == "cool down":
            self._cpu = shares_between(self._times_before, read_times((os.getpid(), *self._pids)))
            self._pss_bytes = sum(pss_bytes(pid) or 0 for pid in self._pids)
            self._throttled_s = max(0.0, self._throttled_so_far_s() - self._throttled_before_s)

    def cost(self) -> WorkersCost:
        """Return what was read."""
        return WorkersCost(self._pss_bytes, self._throttled_s, self._listen_overflows, self._cpu)

    def _throttled_so_far_s(self) -> float:
        return throttled_s(self._cpu_stats) or 0.0
