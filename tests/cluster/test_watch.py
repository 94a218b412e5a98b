"""A watch through the end of a real API server: what it knows at last is what is there, and nothing was left out."""

from __future__ import annotations

import asyncio
import random
import uuid
from contextlib import suppress
from dataclasses import replace

import pytest
from tests.support.api_server import ApiServer, config_map

from seatrial.cluster.access import open_cluster
from seatrial.cluster.client import Client
from seatrial.cluster.connection.kubeconfig import Where
from seatrial.cluster.gone import listed
from seatrial.cluster.labels import RUN, labelled
from seatrial.cluster.objects import Objects
from seatrial.cluster.resources import Resource
from seatrial.cluster.watch import Change, Watch
from seatrial.errors import ClusterFault

pytestmark = pytest.mark.cluster
CONFIG_MAPS = Resource("v1", "ConfigMap", "configmaps", is_namespaced=True)
NAMES = 30


class Reported:
    """What is there as far as the changes that a watch yields say it, checked as they come."""

    def __init__(self) -> None:
        self.there: dict[str, tuple[str, str]] = {}
        self.missed = 0

    def take(self, change: Change) -> None:
        metadata = change.object["metadata"]
        name, what = metadata["name"], (metadata["uid"], metadata["resourceVersion"])
        self.missed += change.was_missed
        if change.kind == "deleted":
            assert self.there.pop(name)[0] == what[0]
        elif change.kind == "added":
            assert name not in self.there
            self.there[name] = what
        else:
            assert self.there[name][0] == what[0]
            self.there[name] = what


async def change_at_random(client: Client, run: str, seed: int, rounds: int) -> None:
    """Make, change and delete objects of one run; what fails while nobody is there is not done."""
    chance = random.Random(seed)
    objects = Objects(client)
    for number in range(rounds):
        manifest = labelled(config_map(f"{run}-{chance.randrange(NAMES)}", number=str(number)), run)
        with suppress(ClusterFault):
            await (objects.delete([manifest]) if chance.random() < 0.4 else objects.apply([manifest]))


async def truth(client: Client, run: str) -> dict[str, tuple[str, str]]:
    found = await listed(client, CONFIG_MAPS, "default", f"{RUN}={run}")
    return {
        one["metadata"]["name"]: (one["metadata"]["uid"], one["metadata"]["resourceVersion"]) for one in found
    }


def test_changes_while_the_api_server_is_killed_and_started_are_all_known_in_the_end(
    server: ApiServer, where: Where
) -> None:
    run = f"w{uuid.uuid4().hex[:8]}"

    async def watch_until_cancelled(watch: Watch, reported: Reported) -> None:
        async for item in watch.changes():
            if isinstance(item, Change):
                reported.take(item)

    async def go() -> None:
        async with open_cluster(where) as client, open_cluster(where) as other:
            watch, reported = Watch(client, CONFIG_MAPS.path("default"), labels=f"{RUN}={run}"), Reported()
            watching = asyncio.create_task(watch_until_cancelled(watch, reported))
            changing = [asyncio.create_task(change_at_random(other, run, seed, 60)) for seed in range(3)]
            await asyncio.sleep(0.7)
            server.kill()
            # The way of the watch stays broken when the API server is back, and all that happens then it has to miss.
            way = client.session.credentials
            client.session.credentials = replace(way, server="https://127.0.0.1:1")
            await asyncio.to_thread(server.start)
            await asyncio.gather(*changing)
            await change_at_random(other, run, 9, 60)
            client.session.credentials = way
            await change_at_random(other, run, 10, 60)
            there = await truth(other, run)
            async with asyncio.timeout(60):
                while reported.there != there:
                    assert not watching.done(), watching.exception()
                    await asyncio.sleep(0.1)
            assert watch.lists >= 2
            assert reported.missed
            assert {key[1] for key in watch.known} == set(there)
            watching.cancel()
            await asyncio.wait({watching})

    asyncio.run(go())


def test_what_is_deleted_while_nobody_watches_is_reported(server: ApiServer, where: Where) -> None:
    run = f"w{uuid.uuid4().hex[:8]}"

    async def go() -> None:
        async with open_cluster(where) as client:
            objects, reported = Objects(client), Reported()
            await objects.apply([labelled(config_map(f"{run}-{number}"), run) for number in range(3)])
            watch = Watch(client, CONFIG_MAPS.path("default"), labels=f"{RUN}={run}", metadata_only=True)
            changes = watch.changes()
            async with asyncio.timeout(60):
                while len(reported.there) < 4:
                    item = await anext(changes)
                    if isinstance(item, Change):
                        assert "data" not in item.object
                        reported.take(item)
                    else:
                        # What comes now comes by watching.
                        await objects.apply([labelled(config_map(f"{run}-3"), run)])
                # The stream ends with the server, and what happens until the watch is asked again nobody sees.
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(server.start)
                await objects.delete([config_map(f"{run}-1")])
                while f"{run}-1" in reported.there:
                    item = await anext(changes)
                    if isinstance(item, Change):
                        reported.take(item)
            assert reported.missed == 1

    asyncio.run(go())
