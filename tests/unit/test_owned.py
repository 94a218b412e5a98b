"""What a run has made on a cluster that does not answer when it is to be removed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support.fake_api import fake_client, refuses, says

from seatrial.cluster.owned import Owned
from seatrial.errors import ClusterFault

NAMESPACES = {"name": "namespaces", "kind": "Namespace", "namespaced": False, "verbs": ["list", "delete"]}


class Log:
    """A change log that remembers what is not undone."""

    def __init__(self) -> None:
        self.open: list[int] = []

    def will_start(self, _kind: str, _detail: Any) -> int:
        self.open.append(1)
        return 1

    def undone(self, change_id: int) -> None:
        self.open.remove(change_id)


def test_who_cannot_look_for_what_is_left_says_that_something_may_be() -> None:
    log = Log()

    async def run() -> None:
        async with fake_client() as (api, client):
            api.then(says({"resources": [NAMESPACES]}), says({"metadata": {"name": "st-a"}}, 201))
            owned = Owned(client, "a-1", log)
            await owned.namespace("st-a")
            api.otherwise = refuses(403, "Forbidden", "no longer")
            await owned.remove()

    with pytest.raises(ClusterFault, match="what was made on the cluster could not be removed") as raised:
        asyncio.run(run())
    assert raised.value.next_step is not None
    assert "seatrial clean" in raised.value.next_step
    assert log.open == [1]
