"""Where the proxies of the trial under way show what they count, for a Prometheus to scrape (``file_sd``).

Each run keeps ``targets.json`` in its directory. A Prometheus of `seatrial observe up` reads a folder beside the runs,
in which there is a link to that of each run that goes on.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from seatrial.record.lock import is_live
from seatrial.systems.discoverers.process import Discoverer
from seatrial.systems.local.asked import AskedProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.run.agenda import TrialPlan
    from seatrial.systems.base import System

TARGETS = "targets.json"
FOLLOWED = "prometheus-targets"
"""The folder beside the runs; it is there while a Prometheus follows them."""
PROXY_JOB = "proxy"


def announce(run: Path, trial: TrialPlan, system: System) -> None:
    """Write down the pages of a trial's proxies, or of its discoverer once it has begun; raises ``OSError``.

    Whoever follows the runs finds them.
    """
    labels = {
        "run": run.name,
        "plan": trial.case.plan.name,
        "system": trial.case.system.label,
        "kind": trial.case.system.kind,
        "case": trial.case.id,
        "trial": str(trial.order),
    }
    _write(run, [{**one, "labels": {**labels, **one["labels"]}} for one in _pages(system)])
    if (folder := run.parent / FOLLOWED).is_dir():
        follow(folder, run)


def withdraw(run: Path) -> None:
    """Write down that there are none any more. Raises ``OSError``."""
    if (run / TARGETS).exists():
        _write(run, [])


def follow(folder: Path, *runs: Path) -> None:
    """Have a folder hold links to these runs' targets, and none to those of runs that are over."""
    for link in folder.glob("*.json"):
        if not is_live(link.readlink().parent):
            link.unlink(missing_ok=True)
    for run in runs:
        link = folder / f"{run.name}.json"
        if not link.is_symlink():
            link.symlink_to(run.resolve() / TARGETS)


def _pages(system: System) -> Iterator[dict[str, Any]]:
    if isinstance(system, Discoverer):
        yield from _page_of(system)
    for proxy in system.proxies():
        page = proxy.metrics_page if isinstance(proxy, AskedProxy) else None
        # In a network namespace nobody reaches it from outside.
        if page is not None and page[0].namespace is None:
            at, path = page
            yield {"targets": [str(at)], "labels": {"member": proxy.name, "__metrics_path__": path}}


def _page_of(discoverer: Discoverer) -> Iterator[dict[str, Any]]:
    page = urlsplit(discoverer.metrics_url or "")
    # Over TLS a Prometheus would have to know who vouches for it, which no target can say.
    if page.scheme == "http":
        yield {"targets": [page.netloc], "labels": {"__metrics_path__": page.path or "/metrics"}}


def _write(run: Path, targets: list[dict[str, Any]]) -> None:
    # Whoever reads it finds the one or the other, and no half of either.
    new = run / f".{TARGETS}"
    new.write_text(json.dumps(targets, indent=1) + "\n")
    os.replace(new, run / TARGETS)  # noqa: PTH105 - as the comment says
