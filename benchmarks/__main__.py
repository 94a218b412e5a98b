"""`make bench`: every benchmark of the engine, one after another; each ends with the bars that it is held to.

Names on the command line choose some: `python -m benchmarks speed memory`. What takes long stands alone:
`python -m benchmarks.million`.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys

BENCHMARKS = (
    "speed",
    "highest_rate",
    "many_connections",
    "series_cost",
    "opening",
    "memory",
    "start",
    "evenness",
    "origin_speed",
    "instructions",
)
DEBIAN_PACKAGES = {"wrk": "wrk", "h2load": "nghttp2-client", "valgrind": "valgrind"}


def main() -> None:
    """Run them in processes of their own, so that none inherits another's garbage."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all without")
    names = parser.parse_args().names or BENCHMARKS
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}")
    missing = [name for name in DEBIAN_PACKAGES if shutil.which(name) is None]
    if missing:
        packages = " ".join(DEBIAN_PACKAGES[name] for name in missing)
        sys.exit(f"error: {', '.join(missing)} not found\nhint: apt-get install {packages}")
    failed = [name for name in names if not _run(name)]
    if failed:
        sys.exit(f"error: {', '.join(failed)} did not finish")


def _run(name: str) -> bool:
    print(f"\n== {name.replace('_', ' ')}", flush=True)
    return subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode == 0


if __name__ == "__main__":
    main()
