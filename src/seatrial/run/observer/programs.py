"""Prometheus and its node exporter: how they are found, configured and run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from seatrial.machine.address import Address
from seatrial.machine.processes.programs import Program
from seatrial.run.observer.targets import PROXY_JOB

PROMETHEUS = Program(
    ("prometheus",),
    ("--version",),
    r"version ([0-9][^ ,]*)",
    "install it: apt-get install prometheus (Debian, Ubuntu), or https://prometheus.io/download/",
)
NODE_EXPORTER = Program(
    ("prometheus-node-exporter", "node_exporter"),
    ("--version",),
    r"version ([0-9][^ ,]*)",
    "install it: apt-get install prometheus-node-exporter (Debian, Ubuntu), or https://prometheus.io/download/",
)
FOLDER = "prometheus"


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything of it is: below a run directory. ``targets`` is the folder that it follows."""

    run: Path
    targets: Path

    @property
    def folder(self) -> Path:
        """Its own folder, with its data and its configuration."""
        return self.run / FOLDER

    @property
    def configuration(self) -> Path:
        """What it is configured with."""
        return self.folder / "prometheus.yml"

    @property
    def data(self) -> Path:
        """What it has stored."""
        return self.folder / "data"

    def log(self, name: str) -> Path:
        """Where a program's output goes."""
        return self.run / "logs" / f"{name}.log"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be started: on which port (0 is any), how often it scrapes, and what else beside the proxies.

    ``exposition`` is where a run shows its own metrics, None where it does not; ``machine`` is whether this machine is
    looked at, too.
    """

    port: int = 9090
    interval: str = "1s"
    exposition: Address | None = None
    machine: bool = True


def configuration(
    layout: Layout, own: Address, exposition: Address | None, machine: Address | None, interval: str
) -> str:
    """Return its configuration: the proxies that runs announce, Seatrial's own exposition, the machine, itself."""
    scrapes: list[dict[str, Any]] = [
        {
            "job_name": PROXY_JOB,
            "file_sd_configs": [{"files": [str(layout.targets / "*.json")], "refresh_interval": "1s"}],
        }
    ]
    static = {"seatrial": exposition, "machine": machine, "prometheus": own}
    scrapes += [
        {"job_name": job, "static_configs": [{"targets": [str(at)]}]}
        for job, at in static.items()
        if at is not None
    ]
    every = {"scrape_interval": interval, "scrape_timeout": interval, "evaluation_interval": interval}
    return yaml.safe_dump({"global": every, "scrape_configs": scrapes}, sort_keys=False)


def prometheus_argv(program: Path, layout: Layout, own: Address) -> tuple[str, ...]:
    """Return its command: on loopback only, with its data in the run directory and for as long as that is there."""
    return (
        str(program),
        f"--config.file={layout.configuration}",
        f"--storage.tsdb.path={layout.data}",
        # By itself it forgets after 15 days; a run is kept for as long as its directory is.
        "--storage.tsdb.retention.time=10y",
        f"--web.listen-address={own}",
    )


def node_exporter_argv(program: Path, layout: Layout, at: Address) -> tuple[str, ...]:
    """Return its command; the folder that it names is how it is known for this run's, should all else be lost."""
    return (
        str(program),
        f"--web.listen-address={at}",
        f"--collector.textfile.directory={layout.folder / 'textfile'}",
    )
