"""Building the programs with Go, each once, below the cache and named by its version.

Kubernetes' own module is published without the folder in which its siblings live, and asks for them there. Each is
published by itself, too, as v0.x.y beside Kubernetes' v1.x.y, so every one is replaced by that.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import EnvironmentFault
from tools.cluster import layout
from tools.cluster.programs import BUILT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tools.cluster.programs import Program

LIMIT_S = 1800.0
"""The API server takes 4 minutes on two cores that have nothing else to do."""
LOG_LINES = 8
_NICE = ("nice", "-n", "15")
_GO_MODULE = "module seatrial.dev/lab/{name}\n\ngo {go}\n\nrequire {module} {version}\n"
_GO_VERSION = re.compile(r"^go (\S+)$", re.MULTILINE)
_STAGED = re.compile(r"^\s+(k8s\.io/[a-z0-9-]+) => \./staging/", re.MULTILINE)


def path_of(program: Program) -> Path:
    """Return where a program is, or will be, once it is built."""
    return layout.cache() / "bin" / f"{program.name}-{program.version}"


def program(name: str) -> str:
    """Return the path of a program by its name."""
    return str(path_of(BUILT[name]))


def missing(names: Iterable[str]) -> list[str]:
    """Return those of the programs that are not built."""
    return [name for name in names if not path_of(BUILT[name]).exists()]


def build(names: Iterable[str], report: Callable[[str], None]) -> None:
    """Build what is not there, one after the other. Raises ``EnvironmentFault``, with the end of Go's own words."""
    wanted = missing(names)
    if not wanted:
        return
    if shutil.which("go") is None:
        raise EnvironmentFault(
            f"{', '.join(wanted)} cannot be built",
            cause="there is no go",
            next_step="install Go 1.26 or later: https://go.dev/dl, or a package golang-go of that version",
        )
    # Two at a time would do the same work, and take the memory of the machine.
    with layout.alone("build"):
        for name in missing(wanted):
            began_s = time.monotonic()
            report(f"building {name} {BUILT[name].version}, once; this can take minutes")
            _build(BUILT[name])
            report(f"built {name} in {time.monotonic() - began_s:.0f} s")


def sources(program: Program) -> Path:
    """Return the folder of a program's module, downloaded: manifests that come with it, as its own CRDs, are there."""
    return Path(_download(program)["Dir"])


def _build(program: Program) -> None:
    module = _module(program)
    made = path_of(program).with_name(f"{program.name}.part")
    made.parent.mkdir(parents=True, exist_ok=True)
    stamps = " ".join(f"-X {variable}={text}" for variable, text in program.stamps)
    log = module / "build.log"
    command = [
        *_NICE,
        "go",
        "build",
        "-o",
        str(made),
        "-ldflags",
        f"-s -w {stamps}".strip(),
        program.import_path,
    ]
    try:
        with log.open("wb") as output:
            ended = subprocess.run(
                command, cwd=module, env=_environment(), stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, timeout=LIMIT_S, check=False,
            )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise _not_built(program, f"it was not done within {LIMIT_S:g} s", log) from None
    if ended.returncode != 0:
        raise _not_built(program, _last(log), log)
    made.rename(path_of(program))


def _module(program: Program) -> Path:
    """Return a module of our own that requires nothing but the program's."""
    _, _, last = program.module.rpartition("/")
    which = "kubernetes" if program.is_staged else program.name or last
    folder = layout.cache() / "modules" / f"{which}-{program.version}"
    if not (folder / "go.mod").exists():
        folder.mkdir(parents=True, exist_ok=True)
        text = _staged_module(program) if program.is_staged else _plain_module(program)
        (folder / "go.mod.part").write_text(text)
        (folder / "go.mod.part").rename(folder / "go.mod")
    return folder


def _plain_module(program: Program) -> str:
    go = _go_version(program)
    return _GO_MODULE.format(name=program.name, go=go, module=program.module, version=program.version)


def _staged_module(program: Program) -> str:
    """Return a module that has each of Kubernetes' siblings replaced by the one that is published."""
    given = Path(_download(program)["GoMod"]).read_text()
    published = program.version.replace("v1.", "v0.", 1)
    replaced = "".join(f"\t{name} => {name} {published}\n" for name in _STAGED.findall(given))
    defaults = "\n".join(line for line in given.splitlines() if line.startswith("godebug "))
    head = _GO_MODULE.format(
        name="kubernetes", go=_go_version(program), module=program.module, version=program.version
    )
    return f"{head}\n{defaults}\n\nreplace (\n{replaced})\n"


def _go_version(program: Program) -> str:
    found = _GO_VERSION.search(Path(_download(program)["GoMod"]).read_text())
    return found[1] if found else "1.24"


def _download(program: Program) -> dict[str, str]:
    """Have Go fetch a module; return where it is: ``Dir``, ``GoMod``."""
    command = ["go", "mod", "download", "-json", f"{program.module}@{program.version}"]
    try:
        ended = subprocess.run(
            command, cwd="/", env=_environment(), capture_output=True, text=True, timeout=LIMIT_S, check=False
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise EnvironmentFault(f"{program.module} cannot be fetched", cause=str(error)) from error
    found: dict[str, str] = json.loads(ended.stdout or "{}")
    if ended.returncode != 0 or "GoMod" not in found:
        raise EnvironmentFault(
            f"{program.module} {program.version} cannot be fetched",
            cause=found.get("Error") or ended.stderr.strip(),
            next_step="give Go a module proxy that has it: go env GOPROXY",
        )
    return found


def _environment() -> dict[str, str]:
    # -mod=mod fills in what our module does not list; the versions are those that the program's own module names.
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOFLAGS": "-mod=mod -trimpath -buildvcs=false",
        "GOWORK": "off",
    }


def _not_built(program: Program, cause: str, log: Path) -> EnvironmentFault:
    return EnvironmentFault(
        f"{program.name} {program.version} cannot be built", cause=cause, next_step=f"read {log}"
    )


def _last(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").strip().splitlines()[-LOG_LINES:]) or "go said nothing"
