"""The script that makes a page's charts interactive: Vega with all that it needs, as one file.

To make it takes seconds, longer than the rest of most reports, and it is always the same. So it is made once and kept
where a person's caches are (XDG Base Directory Specification): it may be deleted at any time, and where it cannot be
kept it is made each time.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

_SNIPPET = "window.vegaEmbed = vegaEmbed;"


def chart_script() -> str:
    """Return the script, which leaves a page with ``window.vegaEmbed``."""
    import vl_convert

    directory = _directory()
    name = f"vega-{version('vl-convert-python')}"
    if directory is not None and (kept := _kept(directory, name)) is not None:
        return kept
    script = vl_convert.javascript_bundle(_SNIPPET)
    if directory is not None:
        _keep(directory, name, script)
    return script


def _directory() -> Path | None:
    given = os.environ.get("XDG_CACHE_HOME", "")
    # The specification has relative paths ignored.
    if Path(given).is_absolute():
        return Path(given) / "seatrial"
    with suppress(RuntimeError):
        return Path.home() / ".cache" / "seatrial"
    return None


def _kept(directory: Path, name: str) -> str | None:
    """Return what is kept; None where there is nothing, or not what was written: its digest is in its name."""
    with suppress(OSError, UnicodeDecodeError):
        for path in directory.glob(f"{name}-*.js"):
            script = path.read_text(encoding="utf-8")
            if path.name == _file(name, script):
                return script
    return None


def _keep(directory: Path, name: str, script: str) -> None:
    with suppress(OSError):
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = directory / f".{name}.{os.getpid()}"
        try:
            draft.write_text(script, encoding="utf-8")
            draft.replace(directory / _file(name, script))
        finally:
            draft.unlink(missing_ok=True)


def _file(name: str, script: str) -> str:
    return f"{name}-{hashlib.sha256(script.encode()).hexdigest()}.js"
