"""How long `seatrial load` takes from its start to the first byte at the server: `python -m benchmarks.start`.

The server is a socket here that notes when the first byte of a request can be read.
"""

from __future__ import annotations

import argparse
import socket
import statistics
import subprocess
import time

from benchmarks.bars import Bar, print_bars, spread
from benchmarks.programs import SEATRIAL

MOST_MS = 150.0
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def main() -> None:
    """Start it a few times, the first of which warms the page cache and is not counted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.start", description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    times_ms = [first_byte_ms() for _ in range(parser.parse_args().rounds + 1)][1:]
    print(f"ms from the start of `seatrial load` to the first byte: {spread(times_ms)}")
    print_bars(Bar("start to the first byte", statistics.median(times_ms), "at most", MOST_MS, " ms", 0))


def first_byte_ms() -> float:
    """Return how long one start took."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/"
        command = [SEATRIAL, "load", "-q", "-t1", "-c1", "-R", "1k", "-d", "100ms", url]
        started_s = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            connection, _ = server.accept()
            with connection:
                connection.settimeout(30)
                request = connection.recv(4096)
                took_ms = (time.monotonic() - started_s) * 1e3
                # The load goes on as any would, so that it ends by itself.
                while request:
                    connection.sendall(ANSWER)
                    request = connection.recv(4096)
            process.wait(30)
    return took_ms


if __name__ == "__main__":
    main()
