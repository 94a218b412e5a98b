"""What the tests of clusters share: one API server for all that a process of pytest runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.api_server import ApiServer, api_server

from seatrial.cluster.connection.kubeconfig import Where


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with api_server(tmp_path_factory.mktemp("api-server")) as running:
        yield running


@pytest.fixture(scope="session")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """One that writes down every call that it answers."""
    with api_server(tmp_path_factory.mktemp("audited"), audits=True) as running:
        yield running


@pytest.fixture(scope="session")
def source_server(server: ApiServer) -> Iterator[ApiServer]:
    """A second API server on the same etcd, from which services are discovered."""
    with server.second("source") as running:
        yield running


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """A cluster for all tests that leave its nodes and its control plane as they are."""
    runs = pytest.importorskip("tests.support.cluster_runs", reason="what starts a cluster is not here")
    with runs.cluster_of("shared") as made, pytest.MonkeyPatch.context() as patch:
        patch.setitem(os.environ, "SEATRIAL_CLUSTER", made.name)
        yield made


@pytest.fixture
def where(server: ApiServer) -> Where:
    return Where(str(server.kubeconfig))
