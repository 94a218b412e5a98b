#!/usr/bin/env python3
"""Copies the definitions of controllers' kinds from their Go modules, without the descriptions of fields.

``python tools/kind_definitions.py`` writes ``src/seatrial/systems/installed/crds``, from ``go mod download``.
``tests/unit/test_installed_definitions.py`` holds the copies against the modules where those are on the machine.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

TARGET = Path(__file__).parents[1] / "src/seatrial/systems/installed/crds"
# Name: module, version, and which files of it.
MODULES = {
    "contour": ("github.com/projectcontour/contour", "v1.33.8", "examples/contour/01-crds.yaml"),
    "gateway-api": ("sigs.k8s.io/gateway-api", "v1.6.1", "config/crd/experimental/gateway.networking.k8s.io_*.yaml"),
    "envoy-gateway": (
        "github.com/envoyproxy/gateway", "v1.9.1", "charts/gateway-crds-helm/templates/generated/*.yaml",
    ),
}  # fmt: skip
LEFT_OUT = ("contourdeployments.projectcontour.io",)
"""Of Contour's own provisioner, which nobody here runs."""


def definitions_in(folder: Path, pattern: str) -> Iterator[dict[str, Any]]:
    """Yield the definitions in the files of a module, without descriptions."""
    for file in sorted(folder.glob(pattern)):
        # Helm's lines stand alone in them.
        text = "".join(line for line in file.read_text().splitlines(True) if not line.startswith("{{"))
        for one in yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
            if one and one["kind"] == "CustomResourceDefinition" and one["metadata"]["name"] not in LEFT_OUT:
                one["metadata"]["annotations"] = dict(one["metadata"].get("annotations") or {})
                yield without_descriptions(one)


def without_descriptions(value: Any, *, of_properties: bool = False) -> Any:
    """Return a schema without its texts; a property may be called ``description`` itself."""
    if isinstance(value, dict):
        return {
            key: without_descriptions(item, of_properties=key == "properties" and not of_properties)
            for key, item in value.items()
            if of_properties or not (key == "description" and isinstance(item, str))
        }
    return [without_descriptions(item) for item in value] if isinstance(value, list) else value


def main() -> None:
    """Write a file for each module, a definition a line."""
    for name, (module, version, pattern) in MODULES.items():
        found = subprocess.run(
            ["go", "mod", "download", "-json", f"{module}@{version}"],
            check=True,
            capture_output=True,
            cwd="/",
        )
        made = definitions_in(Path(json.loads(found.stdout)["Dir"]), pattern)
        lines = ",\n".join(json.dumps(one, separators=(",", ":")) for one in made)
        (TARGET / f"{name}.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
