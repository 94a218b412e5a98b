"""A second API server on the same etcd is a cluster of its own."""

from __future__ import annotations

import asyncio
import uuid

import pytest
from tests.support.api_server import ApiServer, config_map

from seatrial.cluster.access import open_cluster
from seatrial.cluster.connection.kubeconfig import Where
from seatrial.cluster.objects import Objects

pytestmark = pytest.mark.cluster


def test_what_is_made_in_one_is_not_in_the_other(server: ApiServer, source_server: ApiServer) -> None:
    made = config_map(f"only-here-{uuid.uuid4().hex[:8]}")

    async def found() -> list[bool]:
        async with open_cluster(Where(str(source_server.kubeconfig))) as source:
            await Objects(source).create([made])
            async with open_cluster(Where(str(server.kubeconfig))) as other:
                return [await Objects(client).get(made) is not None for client in (source, other)]

    assert asyncio.run(found()) == [True, False]
