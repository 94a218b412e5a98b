"""Memory of an idle connection, over all workers (PSS): `python -m benchmarks.memory`.

Loads hold different numbers of connections to our own origin; the difference of the workers' PSS over the difference of
connections is what one more costs, free of what a process costs by itself. The figure with the processes counted in is
the PSS over the connections, of workers that hold as many as they may have descriptors for.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.bars import Bar, print_bars
from benchmarks.programs import load, origin

FEW = 500
MOST_PLAIN_BYTES = 256
MOST_WITH_PROCESS_BYTES = 512
MOST_TLS_BYTES = 12_000
ORIGIN_PORT = "18090"


def main() -> None:
    """Measure plain, TLS 1.2 and TLS 1.3 connections and print bytes for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--plain", type=int, default=19_000, help="connections in the clear, in one worker")
    parser.add_argument("--tls", type=int, default=5_000, help="TLS connections, in one worker")
    arguments = parser.parse_args()
    plain, with_process = measure((), (), arguments.plain)
    print(f"{'plain':10}{plain:>10,.0f} B a connection, {with_process:,.0f} B with the process")
    with TemporaryDirectory(prefix="seatrial-bench-") as scratch:
        ca = str(Path(scratch) / "ca.pem")
        for version in ("1.2", "1.3"):
            tls, _ = measure(("--tls-self-signed", ca), ("--ca", ca, "--tls", version), arguments.tls)
            print(f"{'TLS ' + version:10}{tls:>10,.0f} B a connection")
    print_bars(
        Bar("idle connection in the clear, marginal", plain, "at most", MOST_PLAIN_BYTES, " B", 0),
        Bar("the same, processes counted in", with_process, "at most", MOST_WITH_PROCESS_BYTES, " B", 0),
        Bar("idle TLS 1.3 connection, marginal", tls, "at most", MOST_TLS_BYTES, " B", 0),
    )


def measure(
    origin_flags: tuple[str, ...], load_flags: tuple[str, ...], connections: int
) -> tuple[float, float]:
    """Return the bytes that one more connection costs, and those of each with the process counted in."""
    with origin("--port", ORIGIN_PORT, "--processes", "2", *origin_flags) as url:
        few, many = (hold(url, load_flags, count) for count in (FEW, connections))
    return (many - few) / (connections - FEW), many / connections


def hold(url: str, flags: tuple[str, ...], connections: int) -> int:
    """Hold idle connections for a while; return the workers' PSS at its end."""
    document = load(
        url, "-t", "1", "--hold", str(connections), "--connect-rate", "10k", "-c", "1", "-R", "10", "-d", "3s", *flags
    )  # fmt: skip
    held = document["connections"]["held"]["established"]
    if held != connections:
        raise RuntimeError(f"only {held} of {connections} were held: {document['errors']}")
    return int(document["generator"]["pss_bytes"])


if __name__ == "__main__":
    main()
