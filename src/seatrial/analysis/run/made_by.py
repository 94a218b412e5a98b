"""Which code makes summaries: all of this program, and what it reckons with."""

from __future__ import annotations

import hashlib
import platform
import sys
from functools import cache
from pathlib import Path

_PACKAGE = Path(__file__).parents[2]
_CODE = {".py", ".so"}


@cache
def made_by() -> str:
    """Return a digest of every source of the package, the engine, Python and numpy: another of any is other code.

    Which of them a summary depends on is not asked, for nobody would keep the answer true. Of one process it is the
    code as it was when this was first called.
    """
    import numpy as np

    found = hashlib.sha256()
    for source in sorted(path for path in _PACKAGE.rglob("*") if path.suffix in _CODE):
        code = source.read_bytes()
        found.update(f"{source.relative_to(_PACKAGE)} {len(code)}\n".encode())
        found.update(code)
    found.update(f"{sys.version} {platform.machine()} {np.__version__}".encode())
    return found.hexdigest()
