"""The metrics pages of proxies that a run has started, found in what it configured them with, for a Prometheus."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HAPROXY_PAGE = "seatrial_page"
PAGES = {
    "envoy.json": ("/stats/prometheus", r'"admin".*?"port_value":\s*(\d+)'),
    "caddy.json": ("/metrics", r'"admin":\s*{\s*"listen":\s*"[^"]*:(\d+)"'),
    "traefik.yml": ("/metrics", r'"traefik":\s*{\s*"address":\s*"[^"]*:(\d+)"'),
    "haproxy.cfg": ("/metrics", r"frontend seatrial_\w+\s+bind \S*:(\d+)"),
}
"""By the file that has it: the page, and where its port stands."""


def haproxy_page(port: int) -> str:
    """Return a section of HAProxy's configuration that serves its exporter's page."""
    rule = "http-request use-service prometheus-exporter if { path /metrics }"
    return f"frontend {HAPROXY_PAGE}\n    bind 127.0.0.1:{port}\n    {rule}\n"


def targets(runs: Path) -> list[dict[str, Any]]:
    """Return the pages of every proxy so far, with labels as `seatrial observe up` gives them."""
    found = []
    for file in sorted(runs.glob("*/configs/*/*")):
        if file.name in PAGES and (port := re.search(PAGES[file.name][1], file.read_text(), re.DOTALL)):
            number, _, system = file.parent.name.partition("-")
            labels = {"run": file.parents[2].name, "system": system, "kind": system, "case": system}
            more = {"trial": str(int(number)), "member": system, "__metrics_path__": PAGES[file.name][0]}
            found.append({"targets": [f"127.0.0.1:{port[1]}"], "labels": {**labels, **more}})
    return found


@contextmanager
def announced(runs: Path, file: Path) -> Iterator[dict[str, Any]]:
    """Keep a file of targets up to date meanwhile; yield a scrape configuration (job ``proxy``) that follows it."""
    over = threading.Event()

    def follow() -> None:
        while not over.wait(0.1):
            draft = file.with_suffix(".new")
            draft.write_text(json.dumps(targets(runs)))
            draft.replace(file)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    every = {"scrape_interval": "500ms", "scrape_timeout": "500ms"}
    yield {
        "job_name": "proxy",
        **every,
        "file_sd_configs": [{"files": [str(file)], "refresh_interval": "1s"}],
    }
    over.set()
    thread.join()
