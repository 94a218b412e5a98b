"""The machine: what the kernel says of CPU, memory and network, through Prometheus's node exporter."""

from __future__ import annotations

from seatrial.report.dashboards.panels import Dashboard, Panel, Query, Row, Variable
from seatrial.report.dashboards.promql import MOMENTS, OF_MACHINE, TRIALS, WINDOW, per_second, total

_DEVICE = f'{OF_MACHINE},device!~"veth.*|cali.*|cni.*"'
"""Ends of pods' networks are left out: what goes over them goes over another device, too. Not loopback."""


def _rates(labels: str, by: str, **names: str) -> tuple[Query, ...]:
    prefix = "".join(f"{{{{{label}}}}} " for label in by.split(", "))
    return tuple(
        Query(per_second(f"{name}{{{labels}}}", by), f"{prefix}{words.replace('_', ' ')}")
        for words, name in names.items()
    )


def _share(mode: str) -> Query:
    busy = per_second(f'node_cpu_seconds_total{{{OF_MACHINE},mode="{mode}"}}', "instance")
    return Query(
        f"{busy} / {per_second(f'node_cpu_seconds_total{{{OF_MACHINE}}}', 'instance')}",
        f"{{{{instance}}}} {mode}",
    )


_CPU = Row(
    "CPU",
    (
        Panel(
            "CPU by mode",
            "short",
            "Cores in use, by what for. Where they add up to all there are, everything on the machine waits, the "
            "load as well.",
            (
                Query(
                    per_second(f'node_cpu_seconds_total{{{OF_MACHINE},mode!="idle"}}', "instance, mode"),
                    "{{instance}} {{mode}}",
                ),
            ),
            is_stacked=True,
        ),
        Panel(
            "Steal, softirq and iowait",
            "percentunit",
            "Steal is what the hypervisor gave to others: above 0, doubt the tail of every latency. Softirq is the "
            "network stack; near a core's worth, packets wait. Iowait is a CPU that waits for a disk.",
            (_share("steal"), _share("softirq"), _share("iowait")),
        ),
        Panel(
            "Runnable and blocked",
            "short",
            "Threads that want to run, and those that wait for a disk. More runnable than CPUs: they take turns.",
            (
                Query(f"node_procs_running{{{OF_MACHINE}}}", "{{instance}} runnable"),
                Query(f"node_procs_blocked{{{OF_MACHINE}}}", "{{instance}} blocked"),
                Query(f"node_load1{{{OF_MACHINE}}}", "{{instance}} load over 1 min"),
            ),
        ),
        Panel(
            "Pressure",
            "percentunit",
            "Share of the time in which something waited for CPU, memory or disk (PSI). Memory above 0 while "
            "measuring is bad.",
            tuple(
                Query(
                    f"rate(node_pressure_{name}_waiting_seconds_total{{{OF_MACHINE}}}{WINDOW})",
                    f"{{{{instance}}}} {name}",
                )
                for name in ("cpu", "memory", "io")
            ),
        ),
        Panel(
            "Context switches",
            "ops",
            "How often CPUs changed what they run. A jump at the same load: threads fight for CPUs, or for a lock.",
            _rates(OF_MACHINE, "instance", switches="node_context_switches_total"),
        ),
        Panel(
            "Offset of the clock",
            "s",
            "How far off the kernel believes its clock to be. Times of different machines differ by it.",
            (Query(f"node_timex_offset_seconds{{{OF_MACHINE}}}", "{{instance}}"),),
        ),
    ),
)
_MEMORY = Row(
    "Memory",
    (
        Panel(
            "Memory",
            "bytes",
            "What programs may still have, what there is, and what the kernel keeps of its own. Available near 0 "
            "ends in OOM kills.",
            (
                Query(f"node_memory_MemAvailable_bytes{{{OF_MACHINE}}}", "{{instance}} available"),
                Query(f"node_memory_MemTotal_bytes{{{OF_MACHINE}}}", "{{instance}} total"),
                Query(f"node_memory_Slab_bytes{{{OF_MACHINE}}}", "{{instance}} kernel objects"),
                Query(f"node_sockstat_TCP_mem_bytes{{{OF_MACHINE}}}", "{{instance}} TCP buffers"),
            ),
        ),
        Panel(
            "OOM kills",
            "short",
            "Processes that the kernel killed for want of memory, since it booted. Any step is bad.",
            (Query(f"node_vmstat_oom_kill{{{OF_MACHINE}}}", "{{instance}}"),),
        ),
        Panel(
            "Open files",
            "short",
            "Descriptors in use on the whole machine: two for each connection through a proxy, and one at either end.",
            (Query(f"node_filefd_allocated{{{OF_MACHINE}}}", "{{instance}}"),),
        ),
    ),
)
_NETWORK = Row(
    "Network",
    (
        Panel(
            "Bytes",
            "Bps",
            "What each device carries. Near its speed, the network is what is measured. Load on one machine goes "
            "over lo.",
            _rates(
                _DEVICE,
                "instance, device",
                received="node_network_receive_bytes_total",
                sent="node_network_transmit_bytes_total",
            ),
        ),
        Panel(
            "Packets",
            "pps",
            "What each device carries, in packets: small answers meet this limit before that of bytes.",
            _rates(
                _DEVICE,
                "instance, device",
                received="node_network_receive_packets_total",
                sent="node_network_transmit_packets_total",
            ),
        ),
        Panel(
            "Drops and errors of devices",
            "pps",
            "Packets that a device did not take or give. Anything above 0 while measuring is bad.",
            _rates(
                _DEVICE,
                "instance, device",
                receive_drops="node_network_receive_drop_total",
                send_drops="node_network_transmit_drop_total",
                receive_errors="node_network_receive_errs_total",
                send_errors="node_network_transmit_errs_total",
            ),
        ),
        Panel(
            "Softnet",
            "pps",
            "Packets that a CPU had no room for (dropped), and turns that ended before the queue was empty "
            "(squeezed). Drops are bad.",
            _rates(
                OF_MACHINE,
                "instance",
                dropped="node_softnet_dropped_total",
                squeezed="node_softnet_times_squeezed_total",
            ),
        ),
    ),
)
_TCP = Row(
    "TCP",
    (
        Panel(
            "Connections",
            "short",
            "Established ones of this network namespace, those in TIME_WAIT, and those without a process. TIME_WAIT "
            "near the number of ports: nothing can be opened.",
            (
                Query(f"node_netstat_Tcp_CurrEstab{{{OF_MACHINE}}}", "{{instance}} established"),
                Query(f"node_sockstat_TCP_tw{{{OF_MACHINE}}}", "{{instance}} TIME_WAIT"),
                Query(f"node_sockstat_TCP_orphan{{{OF_MACHINE}}}", "{{instance}} orphans"),
            ),
        ),
        Panel(
            "Connections opened",
            "cps",
            "Connections opened from here and to here. In a keep-alive load it falls to 0 after the ramp.",
            _rates(
                OF_MACHINE,
                "instance",
                from_here="node_netstat_Tcp_ActiveOpens",
                to_here="node_netstat_Tcp_PassiveOpens",
            ),
        ),
        Panel(
            "Listen queues that were full",
            "cps",
            "Connections that a listener had no room for, and SYN cookies sent instead. Above 0: raise somaxconn "
            "and the backlog.",
            _rates(
                OF_MACHINE,
                "instance",
                overflows="node_netstat_TcpExt_ListenOverflows",
                drops="node_netstat_TcpExt_ListenDrops",
                cookies="node_netstat_TcpExt_SyncookiesSent",
            ),
        ),
        Panel(
            "Retransmitted segments",
            "percentunit",
            "Share of segments that were sent again. Above 0 something loses packets, and each costs its request "
            "200 ms or more.",
            (
                Query(
                    f"{per_second(f'node_netstat_Tcp_RetransSegs{{{OF_MACHINE}}}', 'instance')}"
                    f" / {per_second(f'node_netstat_Tcp_OutSegs{{{OF_MACHINE}}}', 'instance')}",
                    "{{instance}}",
                ),
            ),
        ),
        Panel(
            "Timeouts and resets",
            "cps",
            "Retransmission timers that went off, SYNs sent again, and resets sent. Timeouts mean waits of 200 ms "
            "and more.",
            _rates(
                OF_MACHINE,
                "instance",
                timeouts="node_netstat_TcpExt_TCPTimeouts",
                SYNs_again="node_netstat_TcpExt_TCPSynRetrans",
                resets="node_netstat_Tcp_OutRsts",
            ),
        ),
        Panel(
            "Connection tracking",
            "percentunit",
            "How full the kernel's table of tracked connections is. At 100 % packets of new ones are dropped "
            "without a word.",
            (
                Query(
                    f"{total(f'node_nf_conntrack_entries{{{OF_MACHINE}}}', 'instance')}"
                    f" / {total(f'node_nf_conntrack_entries_limit{{{OF_MACHINE}}}', 'instance')}",
                    "{{instance}}",
                ),
            ),
        ),
    ),
)
MACHINE = Dashboard(
    "machine",
    "machine",
    "What the kernel of each machine says while a load runs, through Prometheus's node exporter. Run, system, case "
    "and trial choose the moments that are marked; the series are of the machine.",
    (*TRIALS, Variable("instance", "node_uname_info")),
    MOMENTS,
    (_CPU, _MEMORY, _NETWORK, _TCP),
)
