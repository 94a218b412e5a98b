"""The kinds of objects that controllers bring along: their definitions, which a cluster may lack.

They are copies of the makers' own, without the descriptions of fields, so that nothing is fetched while a run goes on.
``crds/SOURCES.md`` says where each is from.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from seatrial.errors import EnvironmentFault

FOLDER = "crds"


def definition(api_version: str, kind: str) -> dict[str, Any]:
    """Return the definition of a kind that serves this version of it.

    Raises ``EnvironmentFault`` where none comes along.
    """
    group, _, version = api_version.partition("/")
    for one in _all():
        spec = one["spec"]
        if spec["group"] == group and spec["names"]["kind"] == kind and _serves(spec, version):
            return one
    raise EnvironmentFault(
        f"the cluster has no {kind} ({api_version})",
        cause="its definition does not come with Seatrial",
        next_step=f"install it first, as the makers of {group} say",
    )


def _serves(spec: dict[str, Any], version: str) -> bool:
    return any(one["name"] == version and one["served"] for one in spec["versions"])


@cache
def _all() -> tuple[dict[str, Any], ...]:
    folder = files("seatrial.systems.installed").joinpath(FOLDER)
    return tuple(
        one
        for file in sorted(folder.iterdir(), key=lambda found: found.name)
        if file.name.endswith(".json")
        for one in json.loads(file.read_text(encoding="utf-8"))
    )
