"""A real Prometheus for tests, on a port of the loopback: Debian's, which `make tools` unpacks."""

from __future__ import annotations

import json
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml
from tests.support.api_server import free_port

START_LIMIT_S = 60.0
"""It is ready in a second; this is for a machine that is loaded to the brim."""
NOT_VERIFIED = ssl._create_unverified_context()
ABSENT = "no {}: `make tools` unpacks it from Debian"


def program(name: str) -> Path:
    """Return where `prometheus`, `promtool` or `prometheus-node-exporter` is; skips the test where it is not."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which(name, path=beside) or shutil.which(name)
    if found is None:
        pytest.skip(ABSENT.format(name))
    return Path(found)


def scrape(job: str, *targets: str, every: str = "1s", **more: Any) -> dict[str, Any]:
    """Return a scrape configuration of fixed targets (`host:port`); ``more`` is added to it as it is."""
    return {
        "job_name": job,
        "scrape_interval": every,
        "scrape_timeout": every,
        "static_configs": [{"targets": list(targets)}],
        **more,
    }


@dataclass(slots=True)
class Prometheus:
    """One that runs, or is stopped; its data stays in ``folder`` and outlives a stop."""

    folder: Path
    flags: tuple[str, ...]
    port: int = field(default_factory=free_port)
    scheme: str = "http"
    _process: subprocess.Popen[bytes] | None = None
    _starter: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    @property
    def url(self) -> str:
        """Where it answers, without a slash at the end."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it has written."""
        return (self.folder / "prometheus.log").read_text()

    def configure(self, configuration: Mapping[str, Any]) -> None:
        """Write its configuration, for the next start."""
        (self.folder / "prometheus.yml").write_text(yaml.safe_dump(dict(configuration)))

    def start(self) -> None:
        """Start it and wait until it is ready."""
        command = [
            shutil.which("setpriv") or "setpriv", "--pdeathsig", "KILL", str(program("prometheus")),
            f"--config.file={self.folder / 'prometheus.yml'}", f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}", *self.flags,
        ]  # fmt: skip
        with (self.folder / "prometheus.log").open("ab") as log:
            # The signal at its parent's death is that of the thread which started it: one that lasts.
            started = self._starter.submit(
                subprocess.Popen[bytes], command, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
            self._process = started.result()
        self._wait_until_ready()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End it: in order, or at once by SIGKILL."""
        if (process := self._process) is not None:
            self._process = None
            process.send_signal(number)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)

    def get(self, path: str, **parameters: Any) -> Any:
        """Return `data` of an answer of its API (`/api/v1/{path}`); fails where it answers an error."""
        try:
            with urlopen(
                f"{self.url}/api/v1/{path}?{urlencode(parameters, doseq=True)}", timeout=30
            ) as answer:
                document = json.load(answer)
        except HTTPError as error:
            raise AssertionError(f"{path}: {error.read().decode()}") from None
        assert document["status"] == "success", document
        return document["data"]

    def instant(self, query: str, at_s: float | None = None) -> list[dict[str, Any]]:
        """Evaluate PromQL at a moment (Unix time; now without one); return the result's samples or series."""
        moment = {} if at_s is None else {"time": at_s}
        result: list[dict[str, Any]] = self.get("query", query=query, **moment)["result"]
        return result

    def value(self, query: str, at_s: float | None = None) -> float | None:
        """Return the value of the one series that a query yields; None where there is none."""
        result = self.instant(query, at_s)
        assert len(result) < 2, result
        return float(result[0]["value"][1]) if result else None

    def range(self, query: str, start_s: float, end_s: float, step_s: float) -> list[dict[str, Any]]:
        """Evaluate PromQL at steps from start to end (Unix times); return the series."""
        result: list[dict[str, Any]] = self.get(
            "query_range", query=query, start=start_s, end=end_s, step=step_s
        )["result"]
        return result

    def wait_for(self, query: str, limit_s: float = 30.0) -> list[dict[str, Any]]:
        """Ask until a query yields something; fails after ``limit_s``."""
        deadline_s = time.monotonic() + limit_s
        while not (result := self.instant(query)):
            assert time.monotonic() < deadline_s, f"nothing for {query} within {limit_s:g} s"
            time.sleep(0.1)
        return result

    def close(self) -> None:
        """End it for good."""
        self.stop()
        self._starter.shutdown()

    def _wait_until_ready(self) -> None:
        deadline_s = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline_s:
            assert self._process is not None
            assert self._process.poll() is None, self.log[-2000:]
            try:
                with urlopen(f"{self.url}/-/ready", timeout=5, context=NOT_VERIFIED) as answer:
                    if answer.status == 200:
                        return
            except HTTPError as error:
                # One that wants a password says so once it is up.
                if error.code == 401:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"Prometheus is not ready within {START_LIMIT_S:g} s: {self.log[-2000:]}")


@contextmanager
def prometheus(
    folder: Path,
    *scrapes: Mapping[str, Any],
    features: Sequence[str] = (),
    flags: Sequence[str] = (),
    web: Mapping[str, Any] | None = None,
    **configuration: Any,
) -> Iterator[Prometheus]:
    """Have one run meanwhile, with its configuration, log and data in ``folder``; skips where there is none.

    ``scrapes`` are made by ``scrape``; ``features`` are those of `--enable-feature`, such as `native-histograms`;
    ``flags`` are given as they are, such as `--web.enable-remote-write-receiver`; ``web`` is its web
    configuration, such as passwords and TLS; ``configuration`` is the rest of `prometheus.yml`, such as `rule_files`.
    """
    program("prometheus")
    folder.mkdir(parents=True, exist_ok=True)
    enabled = [f"--enable-feature={','.join(features)}"] if features else []
    if web is not None:
        (folder / "web.yml").write_text(yaml.safe_dump(dict(web)))
        enabled.append(f"--web.config.file={folder / 'web.yml'}")
    scheme = "https" if web and "tls_server_config" in web else "http"
    server = Prometheus(folder, (*enabled, *flags), scheme=scheme)
    server.configure({**configuration, "scrape_configs": [dict(each) for each in scrapes]})
    try:
        server.start()
        yield server
    finally:
        server.close()
