"""Trials of the plans of discovery that come along, with another discoverer in them, at two API servers of a test."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tests.support.api_server import ApiServer
from tests.support.program import Outcome, Running
from tests.support.runs import Bench, codes, results, trials
from tests.support.shipped import shipped

ROOT = Path(__file__).parents[2]
SOURCE = "source"
ENDS_WITHIN_S = 200.0
_COUNTERS = ("enqueued", "done", "dropped", "retries")


def both(destination: ApiServer, source: ApiServer, folder: Path) -> Path:
    """Write a kubeconfig with both: the current context leads to the one, the context ``source`` to the other."""
    config, other = destination.config(), source.config()
    user = other["users"][0]
    config["clusters"].append({**other["clusters"][0], "name": SOURCE})
    config["users"].append({**user, "name": SOURCE})
    config["contexts"].append({"name": SOURCE, "context": {"cluster": SOURCE, "user": SOURCE}})
    path = folder / "both"
    path.write_text(yaml.safe_dump(config))
    return path


def discoverer(relative: str = "", *flags: str) -> str:
    """Return the words of a plan for the reference discoverer at an OpenStack cloud, or for a relative of it."""
    module = ["tests.support.discoverers", relative] if relative else ["seatrial", "discoverer"]
    given = ["--from", "openstack", "--into", "{into}", "--backend", "{backend}"]
    page = ["--metrics", "127.0.0.1:{metrics_port}"]
    command = [sys.executable, "-m", *module, *given, *page, "--period", "1s", "--workers", "4", *flags]
    names = {name: f"seatrial_discoverer_{name}_total" for name in _COUNTERS}
    options = {
        "command": command,
        # Where the run was begun is not where these modules are.
        "environment": {"PYTHONPATH": os.pathsep.join((str(ROOT / "src"), str(ROOT)))},
        "sources": ["openstack"],
        "period": "1 s",
        "metrics": {"depth": "seatrial_discoverer_queue_depth", **names},
    }
    # JSON is YAML on one line.
    return json.dumps([{"discoverer": options}])


@dataclass(frozen=True, slots=True)
class Tried:
    """A run of one trial: how it ended, and what its document has."""

    outcome: Outcome
    document: dict[str, Any]

    @property
    def trial(self) -> dict[str, Any]:
        """Its trial."""
        (trial,) = trials(self.document).values()
        return trial

    @property
    def steps(self) -> dict[str, dict[str, Any]]:
        """The last step of each name."""
        return {step["step"]: step for step in self.trial["discovery"]["steps"]}

    def not_held(self) -> set[str]:
        """Return the metrics whose objective does not hold, by the values, whether they may be believed or not."""
        return set(self._metrics(held=False))

    def held(self) -> set[str]:
        """Return those whose objective holds."""
        return set(self._metrics(held=True))

    def assert_verdict(self) -> None:
        """Fail unless it failed or passed as its values have it, or this machine did other things too."""
        own = codes(self.trial)
        assert_of_machine(own)
        assert self.outcome.code == (3 if own else int(bool(self.not_held()))), self.outcome

    def _metrics(self, held: bool) -> Iterable[str]:
        (case,) = self.document["cases"]
        return (one["objective"].split()[0] for one in case["verdict"]["objectives"] if one["held"] is held)


_OF_TRIAL = {"environment.failed", "environment.watch", "environment.record"}
_HELD_UP = {"generator.late", "generator.stalled", "generator.unread", "generator.cpu", "generator.gate"}


def assert_of_machine(own: Iterable[str]) -> None:
    """Fail where a trial is doubted for more than that this machine does other things, too.

    Other tests fill its memory, cut links and keep its CPUs busy meanwhile, and a trial says so.
    """
    assert not {
        one for one in own if one in _OF_TRIAL or (one not in _HELD_UP and not one.startswith("environment."))
    }


def tried(folder: Path, kubeconfig: Path, name: str, changes: dict[str, str], **keys: str) -> Tried:
    """Run a plan that comes along: other values for ``keys``, and texts of it replaced as ``changes`` say."""
    text = shipped(name, **keys)
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    bench = Bench(folder)
    plan = folder / "plan.yaml"
    plan.write_text(text)
    with tempfile.TemporaryDirectory() as locks:
        # They are side by side, and each is about what happened, not about how fast.
        environment = {"KUBECONFIG": str(kubeconfig), "SEATRIAL_LOCK_DIR": locks}
        with Running("run", str(plan), directory=folder, environment=environment) as running:
            outcome = running.wait(ENDS_WITHIN_S)
            running.assert_nothing_left()
    return Tried(outcome, results(bench.run_directory()))
