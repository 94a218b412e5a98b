"""What is in an image: files of this machine under the names that they have in there."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import EnvironmentFault

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

LDD_LIMIT_S = 30.0
MOVED = "/usr/local/lib/moved"
"""Where libraries go that are in no folder of the system here: a Python that somebody has built has its own there."""
_NEEDED = re.compile(r"^\s*(?:(\S+) => )?(/\S+) \(0x", re.MULTILINE)
_LACKING = re.compile(r"^\s*(\S+) => not found", re.MULTILINE)
_SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64")
_ACCOUNTS = {
    "/etc/passwd": "root:x:0:0:root:/:/bin/sh\nseatrial:x:65532:65532::/:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n",
    "/etc/group": "root:x:0:\nseatrial:x:65532:\nnogroup:x:65534:\n",
    "/etc/nsswitch.conf": "hosts: files dns\n",
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A file: a copy of ``source``, or this ``text``, or a link to ``target``."""

    source: Path | None = None
    text: str | None = None
    target: str | None = None

    @property
    def is_executable(self) -> bool:
        """Whether it may be run; nothing else is kept of a file's mode."""
        return self.source is not None and bool(self.source.stat().st_mode & 0o100)


Contents = dict[str, Entry]
"""By absolute name. What has the same name in two is there once."""


def basics() -> Contents:
    """Return what any image has: accounts, and where names are looked up."""
    return {name: Entry(text=text) for name, text in _ACCOUNTS.items()}


def program(source: Path, name: str) -> Contents:
    """Return a program and the shared objects that it needs."""
    return {name: Entry(source.resolve()), **shared_objects(source)}


def tree(source: Path, name: str, left_out: Collection[str] = ()) -> Contents:
    """Return a folder with all that is below, but for names that are left out, and what Python has compiled."""
    found: Contents = {}
    for path in sorted(source.iterdir()):
        if path.name in left_out or path.name == "__pycache__":
            continue
        if path.is_dir():
            found |= tree(path, f"{name}/{path.name}", left_out)
        else:
            found[f"{name}/{path.name}"] = Entry(path.resolve())
    return found


def shared_objects(path: Path) -> Contents:
    """Return the shared objects that a file needs, and the loader; nothing for a static one.

    Raises ``EnvironmentFault`` where this machine lacks one.
    """
    said = _ldd([path])[path]
    if lacking := _LACKING.findall(said):
        raise EnvironmentFault(f"{path} lacks shared objects", cause=", ".join(lacking))
    return _placed(said)


def loadable(paths: Sequence[Path]) -> dict[Path, Contents]:
    """Return those of the files that this machine can load, each with the shared objects that it needs."""
    return {path: _placed(said) for path, said in _ldd(paths).items() if not _LACKING.search(said)}


def _ldd(paths: Sequence[Path]) -> dict[Path, str]:
    """Return what the loader says of each file; it is asked once for all of them."""
    command = ["ldd", *map(str, paths)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=LDD_LIMIT_S, check=False).stdout
    if len(paths) == 1:
        return {paths[0]: said}
    _, *sections = re.split(r"^(/.*):$", said, flags=re.MULTILINE)
    return {Path(name): text for name, text in zip(sections[::2], sections[1::2], strict=True)}


def _placed(said: str) -> Contents:
    found: Contents = {}
    for asked_as, place in _NEEDED.findall(said):
        in_system = any(Path(place).is_relative_to(folder) for folder in _SYSTEM)
        name = place if in_system else f"{MOVED}/{Path(asked_as or place).name}"
        found[name] = Entry(Path(place).resolve())
    return found
