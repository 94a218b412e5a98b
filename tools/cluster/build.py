"""Building the programs with Go, each once, below the cache and named by its version.

Kubernetes' own module is published without the folder in which its siblings live, and asks for them there. Each is
published by itself, too, as v0.x.y beside Kubernetes' v1.x.y, so every one is replaced by that.

A build that was cut off goes on where it was: what is whole is kept by its name, and Go keeps the rest.
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

from seatrial.errors import EnvironmentFault, ExitCode, SeatrialError
from seatrial.machine import proc
from tools.cluster import layout, processes
from tools.cluster.programs import BUILT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import IO

    from tools.cluster.programs import Program

LIMIT_S = 1800.0
"""The API server takes 4 minutes on two cores that have nothing else to do."""
FETCH_LIMIT_S = 300.0
LOG_LINES = 8
TOLD_EVERY_S = 60.0
_SURROUNDINGS = re.compile(
    r"dial tcp|no such host|connection re(?:fused|set)|timeout|TLS handshake|proxyconnect|unexpected EOF|GOPROXY=off"
    r"|: 5\d\d |no space left|signal: killed|cannot allocate memory|x509:|Service Unavailable|Forbidden"
    r"|requires [gG]o |invalid go version|toolchain|executable file not found",
)
"""What Go says where the network, its own age or this machine is in the way. Everything else is a mistake of ours."""
_NICE = ("nice", "-n", "15")
_GO_MODULE = "module seatrial.dev/lab/{name}\n\ngo {go}\n\nrequire {module} {version}\n"
_GO_VERSION = re.compile(r"^go (\S+)$", re.MULTILINE)
_STAGED = re.compile(r"^\s+(k8s\.io/[a-z0-9-]+) => \./staging/", re.MULTILINE)


class BuildFault(SeatrialError):
    """What is pinned here cannot be built anywhere."""

    exit_code = ExitCode.OBJECTIVE_FAILED


def path_of(program: Program) -> Path:
    """Return where a program is, or will be, once it is built."""
    return layout.cache() / "bin" / f"{program.name}-{program.version}"


def program(name: str) -> str:
    """Return the path of a program by its name."""
    return str(path_of(BUILT[name]))


def missing(names: Iterable[str]) -> list[str]:
    """Return those of the programs that are not built."""
    return [name for name in names if not path_of(BUILT[name]).exists()]


def build(names: Iterable[str], report: Callable[[str], None], within_s: float | None = None) -> None:
    """Build what is not there, one after the other, and take ``within_s`` at most for all of it.

    Raises ``EnvironmentFault`` where this machine or its network is in the way, or the time is over, and
    ``BuildFault`` where that is not the cause; both have the end of Go's own words.
    """
    wanted = missing(names)
    if not wanted:
        return
    if shutil.which("go") is None:
        raise EnvironmentFault(
            f"{', '.join(wanted)} cannot be built",
            cause="there is no go",
            next_step="install Go 1.26 or later: https://go.dev/dl, or a package golang-go of that version",
        )
    deadline_s = time.monotonic() + (LIMIT_S * len(wanted) if within_s is None else within_s)
    # Two at a time would do the same work, and take the memory of the machine.
    with layout.alone("build", deadline_s - time.monotonic()):
        wanted = missing(wanted)
        for number, name in enumerate(wanted, start=1):
            began_s = time.monotonic()
            which = f"{name} {BUILT[name].version} ({number} of {len(wanted)})"
            report(f"building {which}, once; this can take minutes")
            _build(BUILT[name], min(began_s + LIMIT_S, deadline_s), report)
            report(f"built {which} in {time.monotonic() - began_s:.0f} s")


def sources(program: Program) -> Path:
    """Return the folder of a program's module, downloaded: manifests that come with it, as its own CRDs, are there."""
    return Path(_download(program)["Dir"])


def _build(program: Program, deadline_s: float, report: Callable[[str], None]) -> None:
    module = _module(program)
    made = path_of(program).with_name(f"{program.name}.part")
    made.parent.mkdir(parents=True, exist_ok=True)
    stamps = " ".join(f"-X {variable}={text}" for variable, text in program.stamps)
    log, flags = module / "build.log", f"-s -w {stamps}".strip()
    command = [*_NICE, "go", "build", "-o", str(made), "-ldflags", flags, program.import_path]
    with log.open("wb") as output:
        status = _ended(command, module, output, deadline_s, lambda text: report(f"{program.name}: {text}"))
    if status is None:
        raise EnvironmentFault(
            f"{program.name} {program.version} is not built: the time for it is over",
            cause="the API server takes 4 minutes on two cores that have nothing else to do, all of it 15",
            next_step="call it again: it goes on where it was",
        )
    if status != 0:
        raise _fault(f"{program.name} {program.version} cannot be built", _last(log), f"read {log}")
    made.rename(path_of(program))


def _ended(
    command: list[str], folder: Path, output: IO[bytes], deadline_s: float, report: Callable[[str], None]
) -> int | None:
    """Run Go, and report now and then that it is at work; return its status, None where the time was over."""
    began_s = time.monotonic()
    # A session of its own, so that the compilers that it has started end with it.
    running = subprocess.Popen(
        command, cwd=folder, env=_environment(), stdin=subprocess.DEVNULL, stdout=output, stderr=output,
        start_new_session=True,
    )  # fmt: skip
    started_ticks = proc.started_ticks(running.pid) or 0
    try:
        while (left_s := deadline_s - time.monotonic()) > 0:
            try:
                return running.wait(min(left_s, TOLD_EVERY_S))
            except subprocess.TimeoutExpired:
                report(f"{time.monotonic() - began_s:.0f} s so far")
        return None
    finally:
        # Also what it left behind, and until the last is gone: one that is killed ends when it next has a CPU.
        processes.kill(lambda: set(proc.group(running.pid, started_ticks)))
        running.wait()


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
            command,
            cwd="/",
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=FETCH_LIMIT_S,
            check=False,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise EnvironmentFault(f"{program.module} cannot be fetched", cause=str(error)) from error
    found: dict[str, str] = json.loads(ended.stdout or "{}")
    if ended.returncode != 0 or "GoMod" not in found:
        raise _fault(
            f"{program.module} {program.version} cannot be fetched",
            found.get("Error") or ended.stderr.strip(),
            "give Go a module proxy that has it: go env GOPROXY",
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


def _fault(what: str, cause: str, next_step: str) -> SeatrialError:
    kind = EnvironmentFault if _SURROUNDINGS.search(cause) else BuildFault
    return kind(what, cause=cause, next_step=next_step)


def _last(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").strip().splitlines()[-LOG_LINES:]) or "go said nothing"
