"""The definitions of kinds that come along are those of their makers, and each kind that is needed is among them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tools.kind_definitions import MODULES, TARGET, definitions_in

from seatrial.errors import EnvironmentFault
from seatrial.systems.installed.definitions import definition
from seatrial.systems.installed.kinds.choice import recipe_of
from seatrial.systems.installed.kinds.contour import ContourOptions
from seatrial.systems.installed.kinds.envoy_gateway import EnvoyGatewayOptions
from seatrial.systems.installed.manifests.objects import Site
from seatrial.systems.traefik import TraefikOptions


def modules() -> Path | None:
    """Where Go keeps the modules that it has downloaded; None without Go."""
    if shutil.which("go") is None:
        return None
    asked = subprocess.run(
        ["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True, env=os.environ
    )
    return Path(asked.stdout.strip())


@pytest.mark.parametrize("name", MODULES)
def test_the_copies_are_the_makers_own(name):
    module, version, pattern = MODULES[name]
    cache = modules()
    if cache is None or not (folder := cache / f"{module}@{version}").is_dir():
        pytest.skip(f"{module} {version} is not among the Go modules of this machine")
    assert json.loads((TARGET / f"{name}.json").read_text()) == list(definitions_in(folder, pattern))


@pytest.mark.parametrize(
    "options",
    [
        ContourOptions(route_dialect="HTTPRoute"),
        TraefikOptions(route_dialect="HTTPRoute"),
        EnvoyGatewayOptions(),
    ],
)
def test_whatever_is_needed_comes_along(options):
    for api_version, kind in recipe_of(options, Site("a-namespace", "a-label")).needs:
        found = definition(api_version, kind)
        assert found["metadata"]["name"].endswith(api_version.partition("/")[0])


def test_a_kind_that_does_not_come_along_is_named():
    with pytest.raises(EnvironmentFault, match="no Widget"):
        definition("example.com/v1", "Widget")
