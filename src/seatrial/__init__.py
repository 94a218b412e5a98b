"""Sea trials for the front door of a Kubernetes cluster.

``load`` and ``aload`` drive a load from Python, ``open_run`` reads what ``seatrial run`` recorded; what they raise is
in ``seatrial.errors``.
"""

from __future__ import annotations

import importlib

from seatrial._version import __version__

# As `typing` has it, whose import would come before everything that a command does.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from seatrial.analysis.load.result import LoadResult
    from seatrial.report.tidy.run import Run, open_run
    from seatrial.run.library import aload, load

__all__ = ["LoadResult", "Run", "__version__", "aload", "load", "open_run"]

# Imported when they are first asked for: a worker's parent, and whoever wants a version only, need not wait for them.
_LAZY = {
    "LoadResult": "seatrial.analysis.load.result",
    "Run": "seatrial.report.tidy.run",
    "aload": "seatrial.run.library",
    "load": "seatrial.run.library",
    "open_run": "seatrial.report.tidy.run",
}


def __getattr__(name: str) -> Any:
    """Import what stands behind a public name."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
