"""What every Go program says of itself: its process and its runtime."""

from __future__ import annotations

from seatrial.report.dashboards.panels import Panel, Query, Row
from seatrial.report.dashboards.promql import WINDOW, of_program


def runtime(marker: str, named: str, labels: str = "") -> Row:
    """Return the panels of those targets that have the series ``marker``; ``named`` is what one is called."""

    def kept(series: str) -> str:
        return of_program(series, marker)

    of = f"{{{labels}}}" if labels else ""
    return Row(
        "Process and Go runtime",
        (
            Panel(
                "CPU",
                "short",
                "Cores in use. At the limit of its pod, or at GOMAXPROCS, everything that it does waits.",
                (
                    Query(kept(f"rate(process_cpu_seconds_total{of}{WINDOW})"), f"{named} in use"),
                    Query(kept(f"go_sched_gomaxprocs_threads{of}"), f"{named} GOMAXPROCS"),
                ),
            ),
            Panel(
                "Memory",
                "bytes",
                "The resident set, and of the heap what is in use. A climb at an unchanged load is a leak, or a queue.",
                (
                    Query(kept(f"process_resident_memory_bytes{of}"), f"{named} resident"),
                    Query(kept(f"go_memstats_heap_inuse_bytes{of}"), f"{named} heap in use"),
                ),
            ),
            Panel(
                "Goroutines",
                "short",
                "Goroutines: in a proxy a few for each connection. Those of a controller should not grow with time.",
                (Query(kept(f"go_goroutines{of}"), named),),
            ),
            Panel(
                "Garbage collection",
                "percentunit",
                "Share of the time in which the program stood still for its collector. The pauses are "
                "in the tail of latencies.",
                (Query(kept(f"rate(go_gc_duration_seconds_sum{of}{WINDOW})"), f"{named} paused"),),
            ),
            Panel(
                "Allocation",
                "Bps",
                "Bytes that are allocated a second: what the collector has to run for.",
                (Query(kept(f"rate(go_memstats_alloc_bytes_total{of}{WINDOW})"), named),),
            ),
            Panel(
                "Open files",
                "short",
                "Descriptors in use, and how many it may have. Where they meet, new connections are refused.",
                (
                    Query(kept(f"process_open_fds{of}"), f"{named} open"),
                    Query(kept(f"process_max_fds{of}"), f"{named} limit"),
                ),
            ),
        ),
    )
