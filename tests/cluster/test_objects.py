"""Many objects on a real API server: which are there afterwards it says itself, to reads without our client."""

from __future__ import annotations

import asyncio
import json
import ssl
import urllib.request
import uuid
from typing import Any

import pytest
from tests.support.api_server import ADMIN, ApiServer, config_map

from seatrial.cluster.access import open_cluster
from seatrial.cluster.connection.kubeconfig import Where
from seatrial.cluster.gone import wait_until_gone
from seatrial.cluster.labels import labelled
from seatrial.cluster.objects import Objects
from seatrial.cluster.resources import Ref, ref_of
from seatrial.errors import ClusterFault

pytestmark = pytest.mark.cluster


def asked(server: ApiServer, path: str) -> Any:
    """Read from the API server with the standard library."""
    request = urllib.request.Request(
        server.url + path, headers={"Authorization": f"Bearer {server.token(ADMIN)}"}
    )
    with urllib.request.urlopen(
        request, context=ssl.create_default_context(cafile=str(server.pem.ca))
    ) as answer:
        return json.load(answer)


def names(server: ApiServer, prefix: str) -> list[str]:
    items = asked(server, "/api/v1/namespaces/default/configmaps")["items"]
    return sorted(one["metadata"]["name"] for one in items if one["metadata"]["name"].startswith(prefix))


def test_objects_are_made_changed_and_deleted_in_order(server: ApiServer, where: Where) -> None:
    prefix = f"o{uuid.uuid4().hex[:8]}"
    manifests = [config_map(f"{prefix}-{number:03}", number=str(number)) for number in range(150)]

    async def run() -> None:
        async with open_cluster(where) as client:
            objects = Objects(client, window=8)
            answers = await objects.apply(manifests)
            assert [one.body["metadata"]["name"] for one in answers] == [
                one["metadata"]["name"] for one in manifests
            ]
            assert names(server, prefix) == [one["metadata"]["name"] for one in manifests]
            # The same again changes nothing.
            again = await objects.apply(manifests[:3])
            versions = [one.body["metadata"]["resourceVersion"] for one in (*answers[:3], *again)]
            assert versions[:3] == versions[3:]
            await objects.patch([(ref_of(manifests[5]), {"data": {"number": "changed"}})])
            found = asked(server, f"/api/v1/namespaces/default/configmaps/{prefix}-005")
            assert found["data"] == {"number": "changed"}
            await objects.delete(manifests[1:])
            await wait_until_gone(client, map(ref_of, manifests[1:]))
            assert names(server, prefix) == [f"{prefix}-000"]
            assert await objects.delete(manifests[:2]) != [None, None]
            assert await objects.delete(manifests[:1]) == [None]

    asyncio.run(run())


def test_the_first_failure_names_its_object_and_nothing_more_is_begun(
    server: ApiServer, where: Where
) -> None:
    prefix = f"o{uuid.uuid4().hex[:8]}"
    manifests = [config_map(f"{prefix}-{number:03}") for number in range(100)]
    manifests[10]["metadata"]["name"] = f"{prefix}_010"

    async def run() -> None:
        async with open_cluster(where) as client:
            with pytest.raises(
                ClusterFault, match=f"cannot create ConfigMap default/{prefix}_010: .* 422 Invalid"
            ):
                await Objects(client, window=4).create(manifests)
            assert 9 <= len(names(server, prefix)) <= 15
            with pytest.raises(
                ClusterFault, match=f"cannot create ConfigMap default/{prefix}-000: .* 409 AlreadyExists"
            ):
                await Objects(client).create(manifests[:1])
            with pytest.raises(ClusterFault, match="the cluster has no Wreck"):
                await Objects(client).apply(
                    [{**manifests[0], "apiVersion": "example.com/v1", "kind": "Wreck"}]
                )

    asyncio.run(run())


def test_an_object_of_the_same_name_and_another_uid_is_not_deleted(server: ApiServer, where: Where) -> None:
    name = f"o{uuid.uuid4().hex[:8]}"

    async def run() -> None:
        async with open_cluster(where) as client:
            objects = Objects(client)
            (first,) = await objects.create([config_map(name)])
            await objects.delete([config_map(name)])
            await objects.create([config_map(name)])
            assert await objects.delete([{**first.body, "apiVersion": "v1", "kind": "ConfigMap"}]) == [None]
            assert names(server, name) == [name]

    asyncio.run(run())


def test_what_holds_an_object_is_said(where: Where) -> None:
    name = f"o{uuid.uuid4().hex[:8]}"
    held = config_map(name)
    held["metadata"]["finalizers"] = ["example.com/never"]

    async def run() -> None:
        async with open_cluster(where) as client:
            objects = Objects(client)
            await objects.create([held])
            await objects.delete([held])
            with pytest.raises(
                ClusterFault, match=f"ConfigMap default/{name} is not gone within 0.5 s"
            ) as raised:
                await wait_until_gone(client, [ref_of(held)], limit_s=0.5)
            assert raised.value.cause == "it waits for who removes its finalizers: example.com/never"
            await objects.patch([(ref_of(held), {"metadata": {"finalizers": None}})])
            await wait_until_gone(client, [ref_of(held)])

    asyncio.run(run())


def test_a_creation_that_was_cut_off_is_found_out_by_the_runs_label(server: ApiServer, where: Where) -> None:
    """A proxy between passes the creation on, and cuts off its answer."""
    name = f"o{uuid.uuid4().hex[:8]}"
    ours = labelled(config_map(name), "run-1")

    async def run() -> None:
        async with open_cluster(where) as client:
            request = client.session.request
            cut: list[str] = []

            def cutting(method: str, path: str, **more: Any) -> Any:
                asking = request(method, path, **more)
                if method == "POST" and not cut:
                    cut.append(path)
                    return Cut(asking)
                return asking

            client.session.request = cutting  # type: ignore[method-assign]
            (answer,) = await Objects(client).create([ours])
            assert (answer.body["metadata"]["name"], len(cut)) == (name, 1)
            cut.clear()
            with pytest.raises(ClusterFault, match="AlreadyExists"):
                await Objects(client).create([labelled(config_map(name), "run-2")])

    asyncio.run(run())
    assert names(server, name) == [name]


class Cut:
    """A call that is made, and whose answer never comes."""

    def __init__(self, asking: Any) -> None:
        self._asking = asking

    async def __aenter__(self) -> Any:
        async with self._asking as response:
            await response.read()
        raise ConnectionResetError

    async def __aexit__(self, *_: object) -> None:
        return None


def test_a_reference_to_what_is_in_no_namespace_has_none() -> None:
    assert str(Ref("v1", "Namespace", "a")) == "Namespace a"
    assert str(Ref("v1", "Pod", "a", "b")) == "Pod b/a"
