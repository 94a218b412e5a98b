"""Priority and fairness of a real API server: who is turned away comes again when it says, and is counted."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
from tests.support.api_server import USERS

from seatrial.cluster.access import open_cluster
from seatrial.cluster.answers import Answer
from seatrial.cluster.client import Client
from seatrial.cluster.connection.kubeconfig import Where
from seatrial.cluster.objects import Objects

pytestmark = pytest.mark.cluster
API = "flowcontrol.apiserver.k8s.io/v1"
USER = USERS[5]
CALLS = 30
# A level with the least seats and no queue, and the flow of one user into it.
LEVEL: dict[str, Any] = {
    "apiVersion": API,
    "kind": "PriorityLevelConfiguration",
    "metadata": {"name": "crowded"},
    "spec": {
        "type": "Limited",
        "limited": {
            "nominalConcurrencyShares": 0, "lendablePercent": 0, "borrowingLimitPercent": 0,
            "limitResponse": {"type": "Reject"},
        },
    },
}  # fmt: skip
SCHEMA: dict[str, Any] = {
    "apiVersion": API,
    "kind": "FlowSchema",
    "metadata": {"name": "crowded"},
    "spec": {
        "matchingPrecedence": 3,
        "priorityLevelConfiguration": {"name": "crowded"},
        "rules": [
            {
                "subjects": [{"kind": "User", "user": {"name": USER}}],
                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            }
        ],
    },
}


async def rejected(admin: Client) -> int:
    """Return how many the API server itself has counted."""
    text = (await admin.get("/metrics", accept="text/plain")).body
    counted = re.findall(
        r'^apiserver_flowcontrol_rejected_requests_total\{.*"crowded".*\} (\d+)', text, re.MULTILINE
    )
    return sum(map(int, counted))


def test_who_is_turned_away_comes_again_and_is_counted_as_the_api_server_does(where: Where) -> None:
    async def run() -> None:
        async with open_cluster(where) as admin, open_cluster(Where(where.kubeconfig, USER)) as client:
            objects = Objects(admin)
            level, _ = await objects.apply([LEVEL, SCHEMA])
            uid = level.body["metadata"]["uid"]
            answers: list[Answer] = []
            # Until the API server has taken the level in, all pass.
            async with asyncio.timeout(60):
                while uid not in client.counts.rejections:
                    calls = (client.get("/openapi/v3", limit_s=50.0) for _ in range(CALLS))
                    answers = await asyncio.gather(*calls)
            assert sum(answer.attempts - 1 for answer in answers) == client.counts.rejections[uid]
            assert client.counts.rejections[uid] == await rejected(admin)
            assert client.counts.retries == {"429": client.counts.rejections[uid]}
            # Each was to wait for a second.
            assert client.counts.waited_s >= client.counts.rejections[uid]
            await objects.delete([SCHEMA, LEVEL])

    asyncio.run(run())
