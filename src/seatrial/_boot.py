"""Starts a program of ours in a process of its own: the engine, in milliseconds, or the probe.

Run as a script it loads the native module and nothing else of the package: no site directory, no other import. A worker
holds thousands of connections in the memory that a full start would take. The probe is the package's own Python, which
needs the standard library and no more.
"""

from __future__ import annotations

import sys

if __name__ != "__main__":
    from typing import Literal

    ProcessRole = Literal["worker", "origin", "prober", "probe"]


def argv(role: ProcessRole, cpus: frozenset[int] | None = None) -> list[str]:
    """Return the command of a program of ours; it takes its spec or questions on stdin and reports on stdout.

    It is kept to ``cpus``; None is where its parent is.
    """
    where = [] if cpus is None else [",".join(map(str, sorted(cpus)))]
    return [sys.executable, "-I", "-S", __file__, role, *where]


def _main() -> None:
    if sys.argv[2:]:
        _keep_to(sys.argv[2])
    if sys.argv[1] == "probe":
        _probe()
    else:
        _engine()


def _probe() -> None:
    sys.path.append(__file__.rpartition("/")[0].rpartition("/")[0])
    from seatrial.probe.program import main

    main()


def _engine() -> None:
    from importlib.machinery import ExtensionFileLoader, ModuleSpec

    path = __file__.rpartition("/")[0] + "/_engine.abi3.so"
    loader = ExtensionFileLoader("_engine", path)
    engine = loader.create_module(ModuleSpec("_engine", loader, origin=path))
    loader.exec_module(engine)
    run = {"worker": engine.run_worker, "origin": engine.run_origin, "prober": engine.run_prober}[sys.argv[1]]
    try:
        run(0, 1)
    except RuntimeError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


def _keep_to(cpus: str) -> None:
    # `os` is many modules more.
    import posix

    try:
        posix.sched_setaffinity(0, map(int, cpus.split(",")))
    except OSError as error:
        sys.stderr.write(f"it cannot be kept to the CPUs {cpus}: {error.strerror}\n")
        sys.exit(1)


if __name__ == "__main__":
    _main()
