"""The reference discoverer between two real API servers: the destination becomes, and stays, as the source is."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.api_server import ApiServer
from tests.support.discovering import Backend, ClusterSource, discovering, on
from tests.support.program import wait_until
from tests.support.tampering import tampering

from seatrial.cluster.client import Client

pytestmark = pytest.mark.cluster
PERIOD = ("--period", "300ms")


@pytest.fixture
def source(source_server: ApiServer) -> Iterator[ClusterSource]:
    """An empty source; its services are removed, for the next discoverer finds all there are."""
    made = ClusterSource(source_server, f"s-{uuid.uuid4().hex[:8]}")
    yield made
    made.remove(*made.ends)


@pytest.fixture
def backend(server: ApiServer) -> Iterator[Backend]:
    made = Backend(server, f"b-{uuid.uuid4().hex[:8]}")
    yield made
    made.remove()


def into(backend: Backend, kubeconfig: Path | None = None) -> tuple[str, ...]:
    path = kubeconfig or backend.server.kubeconfig
    return "--into", str(path), "--backend", backend.name, *PERIOD


def test_everything_is_carried_and_followed_and_nothing_is_written_while_nothing_changes(
    source: ClusterSource, backend: Backend
) -> None:
    source.fill(30, namespaces=3)
    first, second = sorted(source.ends)[:2]
    with discovering(*source.flags(), *into(backend), "--qps", "0") as running:
        backend.becomes(source.ends)
        source.add(f"{source.prefix}-new/fresh")
        source.update(first)
        source.remove(second)
        backend.becomes(source.ends)
        running.assert_conserved()
        versions, writes = backend.versions(), running.writes()
        running.after_cycles(3)
        assert (backend.versions(), running.writes()) == (versions, writes)
        assert running.metric("upstream_services") == running.metric("replicated_services") == 30
        assert running.health() == (200, "ok\n")
        # A service costs two calls, a namespace one, an update and each deletion of an object one.
        assert writes == 31 * 2 + 4 + 1 + 2
    # What changes while it is away is found when it is back, and nothing else is touched.
    source.remove(first)
    source.add(f"{source.prefix}-0/later")
    with discovering(*source.flags(), *into(backend)) as running:
        backend.becomes(source.ends)
        assert running.writes() == 4
        assert {one["metadata"]["labels"]["seatrial.dev/backend"] for one in backend.objects()} == {
            backend.name
        }
        namespaces = on(backend.server, lambda client: client.get("/api/v1/namespaces")).body["items"]
        assert f"{source.prefix}-new" in {one["metadata"]["name"] for one in namespaces}


def test_what_somebody_else_changes_or_deletes_there_is_put_back(
    source: ClusterSource, backend: Backend
) -> None:
    source.fill(3)
    one, other, _ = sorted(source.ends)
    with discovering(*source.flags(), *into(backend)):
        backend.becomes(source.ends)
        namespace, name = one.split("/")
        slices = f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"

        async def meddle(client: Client) -> None:
            await client.patch(f"{slices}/{name}", {"endpoints": [{"addresses": ["172.31.0.1"]}]})
            await client.delete(f"/api/v1/namespaces/{namespace}/services/{other.partition('/')[2]}")

        on(backend.server, meddle)
        backend.becomes(source.ends)


def test_a_service_of_somebody_else_is_left_alone(source: ClusterSource, backend: Backend) -> None:
    source.fill(2)
    theirs, ours = sorted(source.ends)
    namespace, name = theirs.split("/")

    async def occupy(client: Client) -> Any:
        await client.post("/api/v1/namespaces", {"metadata": {"name": namespace}})
        made = {"metadata": {"name": name}, "spec": {"clusterIP": "None", "ports": [{"port": 7}]}}
        return (await client.post(f"/api/v1/namespaces/{namespace}/services", made)).body

    before = on(backend.server, occupy)
    with discovering(*source.flags(), *into(backend)) as running:
        backend.becomes({ours: source.ends[ours]})
        assert wait_until(lambda: running.metric("errors_total", errortype="foreign") >= 2, 20)
        source.remove(theirs)
        running.after_cycles(2)
        running.assert_conserved()
    path = f"/api/v1/namespaces/{namespace}/services/{name}"
    after = on(backend.server, lambda client: client.get(path)).body
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


def test_refusals_of_the_destination_are_tried_again_dropped_and_found_again(
    source: ClusterSource, backend: Backend, tmp_path: Path
) -> None:
    source.fill(6)
    names = [name.partition("/")[2] for name in sorted(source.ends)]
    slices = f"*/namespaces/{source.prefix}-0/endpointslices"
    with tampering(backend.server, tmp_path) as between:
        between.refuse("POST", slices, 429, 1, Retry_After="1")
        between.refuse("POST", f"*/namespaces/{source.prefix}-0/services", 503, 1)
        between.refuse("POST", slices, 0, 1)
        with discovering(*source.flags(), *into(backend, between.kubeconfig), "--retries", "1") as running:
            backend.becomes(source.ends)
            running.assert_conserved()
            assert running.metric("retries_total") >= 3
            # A stale version, and an object that has gone: both are looked at anew.
            between.refuse("PATCH", f"{slices}/{names[0]}", 409, 1)
            between.refuse("PATCH", f"{slices}/{names[1]}", 404, 1)
            # Given up, and found again at the next cycle.
            given_up = between.refuse("PATCH", f"{slices}/{names[2]}", 500, 2)
            between.refuse("DELETE", f"{slices}/{names[3]}", 429, 1, Retry_After="1")
            for name in names[:3]:
                source.update(f"{source.prefix}-0/{name}")
            source.remove(f"{source.prefix}-0/{names[3]}")
            backend.becomes(source.ends)
            assert given_up.done == 2
            assert running.metric("dropped_total") == 1
            running.assert_conserved()
            # It counts what went by, call by call.
            assert all(one.done == one.count for one in between.refusals)
            for method, verb in (("POST", "create"), ("PATCH", "patch"), ("DELETE", "delete")):
                for status in (0, 200, 201, 404, 409, 429, 500, 503):
                    counted = running.metric("api_calls_total", verb=verb, status=str(status))
                    assert counted == between.calls[method, status], (method, status)


def test_a_storm_of_deletions_in_one_namespace_does_not_hold_up_another(
    source: ClusterSource, backend: Backend
) -> None:
    source.fill(100)
    with discovering(*source.flags(), *into(backend), "--qps", "0", "--workers", "8"):
        backend.becomes(source.ends)
    with discovering(*source.flags(), *into(backend), "--qps", "20", "--burst", "1") as running:
        running.after_cycles(1)
        source.remove(*source.ends)
        new = f"{source.prefix}-quiet/new"
        source.add(new)
        assert wait_until(lambda: source.ends[new] == backend.addresses().get(new), 20, 0.05)
        # The storm takes 10 s.
        assert len(backend.addresses()) > 1, "it was over already"


def test_it_ends_with_its_parent_and_says_what_is_wrong_with_its_flags(
    source: ClusterSource, backend: Backend, invoke: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with discovering(*source.flags(), *into(backend)) as running:
        outcome = running.finish()
        assert (outcome.code, "metrics are at" in outcome.stderr) == (0, True)
    monkeypatch.delenv("OS_AUTH_URL", raising=False)
    target = ("--into", str(backend.server.kubeconfig))
    for flags, said in (
        (("--from", "openstack", *target), "OS_AUTH_URL is not set"),
        (("--from", "http", *target), "needs --source-url"),
        (("--from", "kubernetes", *target), "needs --source-kubeconfig"),
        ((*source.flags(), "--into", str(tmp_path / "nowhere")), "there is no kubeconfig"),
        ((*source.flags(), *target, "--backend", "a b"), "cannot be the value of a label"),
    ):
        ended = invoke("discoverer", *flags)
        assert (ended.code, said in ended.stderr) == (2, True), ended.stderr
