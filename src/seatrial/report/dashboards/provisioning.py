"""A directory from which Grafana is provisioned: dashboards, where they are, and the Prometheus that they ask.

Source of the layout: "Provision Grafana" in Grafana's documentation.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any, Final

import yaml

from seatrial.report.dashboards.every import DASHBOARDS
from seatrial.report.dashboards.grafana import dashboard_json
from seatrial.report.export.files import draft_of, make_directory
from seatrial.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GRAFANA: Final = "11.6.0"
"""The first version that the documents are made for."""
_HEAD: Final = "# Written by `seatrial dashboards`: what is changed here is written over by it.\n"


def write_dashboards(directory: Path, url: str, scrape_interval_s: float) -> Iterator[Path]:
    """Write everything and yield each file; ``url`` is that of the Prometheus, which scrapes so often.

    Raises ``EnvironmentFault`` where a file cannot be written.
    """
    # Grafana looks for dashboards by a whole path; a container is given the same one.
    home = directory.absolute()
    files = {
        "README.md": _readme(home, url, scrape_interval_s),
        "provisioning/datasources/seatrial.yaml": _HEAD + _yaml(_source(url, scrape_interval_s)),
        "provisioning/dashboards/seatrial.yaml": _HEAD + _yaml(_provider(home)),
    }
    for dashboard in DASHBOARDS:
        document = json.dumps(dashboard_json(dashboard), indent=2) + "\n"
        files[f"dashboards/{dashboard.name}.json"] = document
    for name, text in files.items():
        path = directory / name
        make_directory(path.parent)
        with draft_of(path) as draft:
            draft.write_text(text, encoding="utf-8")
        yield path


def _source(url: str, scrape_interval_s: float) -> dict[str, Any]:
    # By the scrape interval Grafana knows how wide a window of a rate has to be.
    own = {"httpMethod": "POST", "timeInterval": _interval(scrape_interval_s)}
    source = {
        "name": "Seatrial",
        "uid": "seatrial",
        "type": "prometheus",
        "access": "proxy",
        "url": _literal(url),
    }
    return {"apiVersion": 1, "datasources": [{**source, "isDefault": True, "jsonData": own}]}


def _interval(seconds: float) -> str:
    return f"{seconds:.0f}s" if seconds.is_integer() else f"{seconds * 1000:.0f}ms"


def _provider(home: Path) -> dict[str, Any]:
    provider = {
        "name": "Seatrial",
        "folder": "Seatrial",
        "type": "file",
        "allowUiUpdates": True,
        "options": {"path": _literal(str(home / "dashboards"))},
    }
    return {"apiVersion": 1, "providers": [provider]}


def _literal(text: str) -> str:
    # Grafana puts variables of its environment into these files.
    return text.replace("$", "$$")


def _yaml(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False)


def _readme(home: Path, url: str, scrape_interval_s: float) -> str:
    named = "\n".join(f"| `dashboards/{one.name}.json` | {one.description} |" for one in DASHBOARDS)
    at, mount = shlex.quote(str(home / "provisioning")), shlex.quote(f"{home}:{home}:ro")
    return f"""\
# Dashboards of Seatrial for Grafana

Written by `seatrial dashboards` for Grafana {GRAFANA} or later, and a Prometheus at {url} that
scrapes every {format_duration(scrape_interval_s)}. Seatrial's tests hold them against Grafana's schemas, and
their queries against a real Prometheus; nobody opened them in a Grafana.

Start a Grafana with them in a container, and open http://localhost:3000:

    docker run --rm --network host -e GF_PATHS_PROVISIONING={at} -v {mount} grafana/grafana-oss:{GRAFANA}

One that is installed takes them with `GF_PATHS_PROVISIONING={at}` in its environment. Or import a file of
`dashboards/` by hand, and choose your Prometheus above it.

`provisioning/dashboards/seatrial.yaml` has the whole path of this directory: write it anew rather than move it.

| file | what it shows |
| --- | --- |
{named}
"""
