"""Instructions of the engine's parts that touch no socket, as callgrind counts them.

Every operation runs a few and many times; the difference is free of the program's start. Unlike a time, the count is
the same on a busy machine. Run it as ``python -m benchmarks.instructions``.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parent.parent
PROGRAM = REPOSITORY / "target" / "release" / "examples" / "instructions"
FEW = 10
# How many more often than FEW each runs: enough for a mean over the values that differ.
OPERATIONS = {
    "response_known_head": 10_000,
    "response_content_length": 10_000,
    "response_chunked": 10_000,
    "slot_uniform": 10_000,
    "slot_poisson": 10_000,
    "histogram_record": 10_000,
    "frame_encoded": 20,
}


def main() -> None:
    """Count every operation and print a table."""
    for program, hint in (("valgrind", "apt-get install valgrind"), ("cargo", "install Rust")):
        if shutil.which(program) is None:
            sys.exit(f"error: {program} not found\nhint: {hint}")
    command = ["cargo", "build", "--quiet", "--release", "-p", "seatrial-load", "--example", "instructions"]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    print(f"{'operation':28}{'instructions':>14}")
    for operation, count in OPERATIONS.items():
        each = (_instructions(operation, FEW + count) - _instructions(operation, FEW)) / count
        print(f"{operation:28}{each:>14,.0f}")


def _instructions(operation: str, count: int) -> int:
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", str(PROGRAM), operation]
    ended = subprocess.run([*command, str(count)], capture_output=True, text=True, timeout=300, check=False)
    collected = re.search(r"Collected : (\d+)", ended.stderr)
    if ended.returncode != 0 or collected is None:
        sys.exit(f"error: callgrind could not count {operation}:\n{ended.stderr}")
    return int(collected[1])


if __name__ == "__main__":
    main()
