"""A cluster of a test's own, and what a test asks of it by kubectl."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tools.cluster import build, objects
from tools.cluster.down import down
from tools.cluster.layout import ROLE_LABEL, Cluster
from tools.cluster.programs import NEEDED
from tools.cluster.remains import scan
from tools.cluster.up import may_be_here, up

from seatrial.errors import EnvironmentFault

HOW = "make test-cluster builds them and runs these tests"


def need_cluster() -> None:
    """Skip where there can be no cluster, or its programs are not built: that takes ten minutes and is asked for."""
    try:
        may_be_here()
    except EnvironmentFault as fault:
        pytest.skip(f"{fault.what}: {fault.cause or fault.next_step}")
    if subprocess.run(["unshare", "--net", "--mount", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this sandbox makes no namespaces")
    if lacking := build.missing(NEEDED):
        pytest.skip(f"not built: {', '.join(lacking)} ({HOW})")


@contextmanager
def own_cluster(which: str) -> Iterator[Cluster]:
    """Start a cluster that no other test has, and end it."""
    need_cluster()
    cluster = Cluster(f"test-{which}-{os.getpid()}")
    try:
        up(cluster, print)
        yield cluster
    finally:
        down(cluster, print)
        assert scan(cluster) == []


def ask(cluster: Cluster, *words: str) -> Any:
    """Return what the API server has, as kubectl prints it."""
    return json.loads(objects.kubectl(cluster, "get", *words, "-o", "json"))


def pod(name: str, role: str, image: str, *command: str) -> dict[str, Any]:
    """Return a pod on the node of a role, which ends at once when it is asked to."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": name}},
        "spec": {
            "nodeSelector": {ROLE_LABEL: role},
            "terminationGracePeriodSeconds": 0,
            "containers": [
                {"name": "main", "image": image, "imagePullPolicy": "Never", "command": list(command)}
            ],
        },
    }


def eventually(true: Callable[[], bool], what: str, limit_s: float = 60.0) -> None:
    """Look until something is so; fail where it is not in time."""
    deadline_s = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline_s, f"not within {limit_s:g} s: {what}"
        time.sleep(0.1)
