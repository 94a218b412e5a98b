"""The rules of validity: one small function for each, one table of them, each threshold with its reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seatrial.analysis.validity.rules import (
    connections,
    counts,
    cpus,
    delays,
    discovery,
    endings,
    kernel,
    members,
    nodes,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from seatrial.analysis.reasons import Reason
    from seatrial.analysis.validity.evidence import TrialEvidence

RULES: tuple[Callable[[TrialEvidence], Reason | None], ...] = (
    endings.system_died,
    endings.process_lost,
    endings.failed,
    endings.cut_off,
    endings.no_data,
    endings.nothing_completed,
    endings.not_drained,
    connections.exhausted,
    connections.held_missing,
    connections.active_missing,
    connections.errors,
    delays.late,
    delays.stalled,
    delays.unread,
    counts.rate_missed,
    delays.generator_busy,
    delays.throttled,
    delays.stolen,
    delays.machine_busy,
    kernel.oom_killed,
    kernel.listen_queue_full,
    kernel.syn_cookies,
    kernel.conntrack_full,
    kernel.tcp_memory,
    kernel.packets_dropped,
    kernel.softirq_busy,
    kernel.kernel_reported,
    kernel.looking_dear,
    kernel.reconfigured,
    delays.network_near_capacity,
    nodes.node_away,
    nodes.run_beside,
    cpus.elsewhere,
    members.gauge_disagrees,
    members.unbalanced,
    counts.counts_disagree,
    counts.routes_missed,
    counts.endpoints_missed,
    counts.uncounted,
    counts.frames_missing,
    counts.drivers_mixed,
    discovery.gate_busy,
    discovery.watch_missed,
    discovery.watch_late,
    discovery.calls_lost,
)
