"""Memory of an idle TLS connection: what each one more adds to the workers, over all of them (PSS).

Two loads hold different numbers of connections to our own TLS origin; the difference of the workers' PSS over the
difference of connections is the marginal cost, free of what a process costs by itself. Run it as
``python -m benchmarks.tls_memory``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

SEATRIAL = str(Path(sys.executable).with_name("seatrial"))
FEW = 500
LIMIT_BYTES = 12_000


def main() -> None:
    """Measure plain, TLS 1.2 and TLS 1.3 connections and print bytes for each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tls_memory", description=__doc__)
    parser.add_argument("--connections", type=int, default=5_000)
    arguments = parser.parse_args()
    print(f"{arguments.connections:,} idle connections against {FEW:,}, marginal PSS of the workers")
    with TemporaryDirectory(prefix="seatrial-bench-") as scratch:
        ca = str(Path(scratch) / "ca.pem")
        plain = measure((), (), arguments.connections)
        print(f"{'plain':10}{plain:>10,.0f} B a connection")
        for version in ("1.2", "1.3"):
            load_flags = ("--ca", ca, "--tls", version)
            cost = measure(("--tls-self-signed", ca), load_flags, arguments.connections)
            print(f"{'TLS ' + version:10}{cost:>10,.0f} B a connection")
    word = "met" if cost <= LIMIT_BYTES else "MISSED"
    print(f"\ntarget, TLS 1.3: at most {LIMIT_BYTES:,} B: {word}")


def measure(origin_flags: tuple[str, ...], load_flags: tuple[str, ...], connections: int) -> float:
    """Return the bytes that a connection adds."""
    with origin(origin_flags) as url:
        few, many = (hold(url, load_flags, count) for count in (FEW, connections))
    return (many - few) / (connections - FEW)


def hold(url: str, flags: tuple[str, ...], connections: int) -> int:
    """Hold idle connections for a while; return the workers' PSS at its end."""
    command = [SEATRIAL, "load", url, "-q", "--json", "-", "-t", "1", "--hold", str(connections), "-c", "1"]
    ended = subprocess.run(
        [*command, "-R", "10", "-d", "3s", *flags], capture_output=True, text=True, timeout=300, check=False
    )
    document: dict[str, Any] = json.loads(ended.stdout)
    held = document["connections"]["held"]["established"]
    if held != connections:
        raise RuntimeError(f"only {held} of {connections} were held: {document['errors']}")
    return int(document["generator"]["pss_bytes"])


@contextmanager
def origin(flags: tuple[str, ...]) -> Iterator[str]:
    """Serve until the block ends; yields the URL."""
    with subprocess.Popen(
        [SEATRIAL, "origin", *flags], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        try:
            yield process.stderr.readline().split()[-1]
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
