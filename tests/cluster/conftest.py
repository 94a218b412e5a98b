"""What the tests of clusters share: one API server for all that a process of pytest runs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.api_server import ApiServer, api_server

from seatrial.cluster.connection.kubeconfig import Where


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with api_server(tmp_path_factory.mktemp("api-server")) as running:
        yield running


@pytest.fixture
def where(server: ApiServer) -> Where:
    return Where(str(server.kubeconfig))
