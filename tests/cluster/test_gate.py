"""The gate before a real API server, whose audit log is the judge of what the gate counts."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import ssl
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from kubernetes_asyncio import client as kubernetes
from kubernetes_asyncio import config, watch
from tests.support.api_server import ADMIN, ApiServer, binary, config_map, free_port
from tests.support.gate import RunningGate, running_gate
from tests.support.program import Outcome, wait_until

from seatrial.cluster.access import open_cluster
from seatrial.cluster.client import Client
from seatrial.errors import ClusterFault

pytestmark = pytest.mark.cluster

LIMIT_S = 30.0
MAPS = "/api/v1/namespaces/default/configmaps"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices"
CHANGES = 10_000


@pytest.fixture
def gate(audited: ApiServer) -> Iterator[RunningGate]:
    with running_gate(audited) as gate:
        yield gate


def audited_since(server: ApiServer, begin: int) -> list[dict[str, Any]]:
    """Return the calls of others than the API server itself."""
    return [one for one in server.audit()[begin:] if one["user"]["username"] == ADMIN]


def of_audit(entry: dict[str, Any]) -> tuple[str, ...]:
    """Return what of a call can be compared; the name of what is created is in no path."""
    about = entry.get("objectRef")
    status, agent = str(entry["responseStatus"]["code"]), entry["userAgent"]
    if about is None:
        return entry["verb"], entry["requestURI"].partition("?")[0], "", "", "", status, agent
    resource = "/".join(filter(None, [about["resource"], about.get("subresource")]))
    name = "" if entry["verb"] == "create" else about.get("name", "")
    return entry["verb"], resource, about.get("apiGroup", ""), about.get("namespace", ""), name, status, agent


def of_gate(row: dict[str, Any]) -> tuple[str, ...]:
    name = "" if row["verb"] == "create" else row["name"]
    about = row["verb"], row["resource"], row["group"], row["namespace"], name
    return *about, str(row["upstream_status"]), row["agent"]


async def by_kubernetes_asyncio(gate: RunningGate, run: str, rounds: int) -> None:
    """List, watch, create, patch, read and delete, as its users do."""
    loaded = kubernetes.Configuration()
    await config.load_kube_config(str(gate.kubeconfig), client_configuration=loaded)
    async with kubernetes.ApiClient(loaded) as api:
        core, discovery = kubernetes.CoreV1Api(api), kubernetes.DiscoveryV1Api(api)
        await kubernetes.VersionApi(api).get_code()
        for number in range(rounds):
            name = f"{run}-{number}"
            # What a fault has befall it is what this is about.
            with suppress(kubernetes.ApiException, aiohttp.ClientError):
                made = kubernetes.V1ConfigMap(metadata=kubernetes.V1ObjectMeta(name=name), data={"a": "a"})
                await core.create_namespaced_config_map("default", made)
                await core.patch_namespaced_config_map(name, "default", {"data": {"a": "b"}})
                await core.read_namespaced_config_map(name, "default")
                await discovery.list_endpoint_slice_for_all_namespaces(limit=5)
                stream = watch.Watch()
                selector = f"metadata.name={name}"
                async for _ in stream.stream(
                    core.list_namespaced_config_map, "default", field_selector=selector
                ):
                    break
                await stream.close()
                await core.delete_namespaced_config_map(name, "default")
            with suppress(kubernetes.ApiException, aiohttp.ClientError):
                await core.read_namespaced_config_map("nobody", "default")


async def by_our_client(gate: RunningGate, run: str, rounds: int) -> None:
    """The same with ours, which makes calls again, and statuses and collections, too."""
    async with open_cluster(gate.where) as client:
        for number in range(rounds):
            name, path = f"{run}-{number}", f"/api/v1/namespaces/{run}-{number}"
            with suppress(ClusterFault):
                await client.post("/api/v1/namespaces", {"metadata": {"name": name}})
                await client.patch(f"{path}/status", {"status": {"conditions": []}}, "merge")
                await client.patch(
                    f"{path}/configmaps/x", config_map("x", name), "apply", {"fieldManager": "test"}
                )
                await client.get(f"{path}/configmaps", {"watch": "false"})
                await client.delete(f"{path}/configmaps")
                await client.get("/openapi/v3", accept="*/*")
                await client.delete(path)


def test_every_call_is_in_the_api_servers_audit_log_as_the_gate_has_it(
    audited: ApiServer, gate: RunningGate
) -> None:
    planted = {
        gate.plant(kind="status", status=409, verb="create", share="20%"),
        gate.plant(kind="reset", resource="configmaps", verb="get", share="10%"),
        gate.plant(kind="status", status=503, resource="namespaces/status", share="30%", retry_after="0 s"),
    }
    after = gate.plant(
        kind="status", status=504, verb="patch", resource="configmaps", share="20%", after=True
    )
    run, begin = f"m{uuid.uuid4().hex[:8]}", len(audited.audit())

    async def go() -> None:
        await asyncio.gather(
            *(by_kubernetes_asyncio(gate, f"{run}-a{number}", 15) for number in range(4)),
            *(by_our_client(gate, f"{run}-b{number}", 10) for number in range(4)),
        )

    asyncio.run(go())
    assert wait_until(lambda: not gate.state()["under_way"], LIMIT_S)
    rows = gate.calls(limit=97)
    reached = Counter(of_gate(row) for row in rows if row["upstream_status"])
    # What the log has is written when a call is over.
    assert wait_until(lambda: Counter(map(of_audit, audited_since(audited, begin))) == reached, LIMIT_S), (
        reached - Counter(map(of_audit, audited_since(audited, begin))),
        Counter(map(of_audit, audited_since(audited, begin))) - reached,
    )
    assert {row["verb"] for row in rows} == {
        "list", "watch", "get", "create", "patch", "delete", "deletecollection",
    }  # fmt: skip
    assert {row["status"] for row in rows} >= {0, 200, 201, 404, 409, 503, 504}
    done = gate.done()
    assert all(done.values()), done
    # Those that a fault kept from it have not reached it; the others have, and the client heard of something else.
    assert sum(row["upstream_ns"] == 0 for row in rows) == sum(done[one] for one in planted)
    others = [row for row in rows if row["upstream_status"] not in {0, row["status"]}]
    assert Counter((row["status"], row["fault"], row["verb"]) for row in others) == {
        (504, "status", "patch"): done[after]
    }
    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    assert all(row["began_ns"] + row["upstream_ns"] <= row["ended_ns"] for row in rows)
    counted = {(one["verb"], one["resource"], one["status"]): one["count"] for one in gate.state()["counts"]}
    assert counted == Counter((row["verb"], row["resource"], row["status"]) for row in rows)
    assert 2 <= gate.state()["most_calls_at_once"] <= 8


@asynccontextmanager
async def straight(server: ApiServer) -> AsyncIterator[tuple[aiohttp.ClientSession, str]]:
    """Give a plain HTTP client of the API server itself."""
    tls = ssl.create_default_context(cafile=str(server.pem.ca))
    headers = {"Authorization": f"Bearer {server.token(ADMIN)}"}
    connector = aiohttp.TCPConnector(ssl=tls, limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers, auto_decompress=False) as http:
        yield http, server.url


async def resource_versions(client: Client, run: str, begin: str, count: int) -> list[int]:
    """Watch until so many changes have come; return which."""
    params = {"watch": "true", "labelSelector": f"run={run}", "resourceVersion": begin}
    came: list[int] = []
    async with client.lines(MAPS, params, quiet_limit_s=LIMIT_S) as lines:
        async for line in lines:
            came.append(int(json.loads(line)["object"]["metadata"]["resourceVersion"]))
            if len(came) == count:
                break
    return came


def test_ten_thousand_changes_come_through_a_watch_complete_and_in_order(
    audited: ApiServer, gate: RunningGate
) -> None:
    run = f"w{uuid.uuid4().hex[:8]}"
    accepted: list[int] = []

    async def change(http: aiohttp.ClientSession, url: str, worker: int) -> None:
        labels = {"metadata": {"labels": {"run": run}}}
        path, merge = f"{url}{MAPS}/{run}-{worker}", {"Content-Type": "application/merge-patch+json"}
        manifest = config_map(f"{run}-{worker}")
        manifest["metadata"] |= labels["metadata"]
        async with http.post(f"{url}{MAPS}", json=manifest) as answer:
            accepted.append(int((await answer.json())["metadata"]["resourceVersion"]))
        for number in range(1, CHANGES // 20):
            body = json.dumps({"data": {"n": str(number)}})
            async with http.patch(path, data=body, headers=merge) as answer:
                accepted.append(int((await answer.json())["metadata"]["resourceVersion"]))

    async def go() -> None:
        async with open_cluster(gate.where) as client, straight(audited) as (http, url):
            begin = (await client.get(MAPS, {"limit": "1"})).body["metadata"]["resourceVersion"]
            watching = asyncio.create_task(resource_versions(client, run, begin, CHANGES + 1))
            await asyncio.gather(*(change(http, url, worker) for worker in range(20)))
            # Nothing comes after this one, and it arrives all the same: nothing waits for more.
            async with http.delete(f"{url}{MAPS}/{run}-0") as answer:
                assert answer.status == 200
            came = await watching
            assert came[:-1] == sorted(accepted)
            assert came[-1] > max(accepted)

    asyncio.run(go())
    assert len(accepted) == CHANGES


def test_bodies_go_both_ways_as_they_are(audited: ApiServer, gate: RunningGate) -> None:
    """Protobuf, gzip and long ones; a plain client that goes to the API server itself is the judge."""
    name, long = f"p{uuid.uuid4().hex[:8]}", random.Random(1).randbytes(450_000).hex()
    protobuf = "application/vnd.kubernetes.protobuf"

    async def go() -> None:
        async with straight(audited) as (http, url):

            async def answer_of(base: str, path: str, method: str = "GET", **more: Any) -> tuple[Any, ...]:
                async with http.request(method, base + path, **more) as answer:
                    kept = ("Content-Type", "Content-Encoding", "Content-Length", "Audit-Id")
                    headers = [answer.headers.get(one) for one in kept]
                    return answer.status, headers[:3], await answer.read(), headers[3]

            async with http.post(f"{gate.server}{MAPS}", json=config_map(name, long=long)) as answer:
                assert answer.status == 201
            for headers in (
                {"Accept": protobuf},
                {"Accept-Encoding": "gzip"},
                {"Accept-Encoding": "identity"},
            ):
                for path in (f"{MAPS}/{name}", f"{MAPS}?fieldSelector=metadata.name%3D{name}"):
                    ours, theirs = [
                        await answer_of(base, path, headers=headers) for base in (gate.server, url)
                    ]
                    assert ours[:3] == theirs[:3]
                    assert ours[3]
            assert ours[1][1] is None
            plain = {"Accept": protobuf, "Accept-Encoding": "identity"}
            whole = (await answer_of(url, f"{MAPS}/{name}", headers=plain))[2]
            assert whole.startswith(b"k8s\0")
            written = {"Content-Type": protobuf, "Accept": protobuf}
            answered = await answer_of(gate.server, f"{MAPS}/{name}", "PUT", data=whole, headers=written)
            assert answered[0] == 200
            ours, theirs = [await answer_of(base, "/readyz", "HEAD") for base in (gate.server, url)]
            assert (ours[:3], ours[0]) == (theirs[:3], 200)
            assert (await answer_of(gate.server, f"{MAPS}/{name}", "DELETE"))[0] == 200

    asyncio.run(go())


def test_kubectl_gets_through_and_keeps_to_the_kubeconfig(audited: ApiServer, gate: RunningGate) -> None:
    """client-go sends no token over plain HTTP: the way that it does know is the path of its server."""
    if (kubectl := binary("kubectl")) is None:
        pytest.skip("kubectl is not built: `make cluster` does")
    assert gate.kubeconfig.stat().st_mode & 0o777 == 0o600
    assert gate.kubeconfig.parent.stat().st_mode & 0o777 == 0o700
    command = [
        str(kubectl),
        "--kubeconfig",
        str(gate.kubeconfig),
        "--cache-dir",
        str(audited.folder / "cache"),
    ]
    name = f"k{uuid.uuid4().hex[:8]}"
    for words in (["create", "configmap", name], ["get", "configmap", name], ["delete", "configmap", name]):
        subprocess.run([*command, *words], check=True, capture_output=True, timeout=LIMIT_S)
    refused = subprocess.run(
        [*command, "--server", gate.document["url"], "get", "configmaps"],
        check=False, capture_output=True, text=True, timeout=LIMIT_S,
    )  # fmt: skip
    assert refused.returncode != 0
    rows = [(one["verb"], one["status"]) for one in gate.calls() if one["resource"] == "configmaps"]
    assert [row for row in rows if row[0] != "get"] == [("create", 201), ("delete", 200)]
    assert gate.state()["refused"] >= 1


def test_a_client_that_goes_away_ends_its_call_at_the_api_server(
    audited: ApiServer, gate: RunningGate
) -> None:
    name = f"g{uuid.uuid4().hex[:8]}"

    def watches_over() -> list[dict[str, Any]]:
        return [one for one in audited.audit() if name in one["requestURI"]]

    async def go() -> None:
        async with aiohttp.ClientSession() as http:
            answer = await http.get(f"{gate.server}{MAPS}?watch=true&fieldSelector=metadata.name%3D{name}")
            # The head of the answer is here before there is an event.
            assert answer.status == 200
            (under_way,) = gate.state()["under_way"]
            assert (under_way["verb"], under_way["name"], gate.state()["watches_under_way"]) == (
                "watch",
                name,
                1,
            )
            assert watches_over() == []
            answer.close()

    asyncio.run(go())
    assert wait_until(lambda: len(watches_over()) == 1, LIMIT_S)
    assert wait_until(lambda: gate.state()["watches_under_way"] == 0, LIMIT_S)
    assert [(row["verb"], row["name"], row["status"]) for row in gate.calls()] == [("watch", name, 200)]


def test_an_api_server_that_is_killed_and_comes_back_is_heard_of_and_found_again(
    audited: ApiServer, gate: RunningGate
) -> None:
    async def go() -> None:
        async with aiohttp.ClientSession() as http:
            watching = await http.get(f"{gate.server}{SLICES}?watch=true")
            await asyncio.to_thread(audited.kill)
            try:
                with pytest.raises(aiohttp.ClientPayloadError):
                    await watching.read()
                began_s = time.monotonic()
                for method in ("GET", "POST", "PATCH"):
                    async with http.request(method, f"{gate.server}{SLICES}", data=b"{}") as answer:
                        document = await answer.json()
                    assert answer.status in {502, 503}
                    assert (document["kind"], document["code"]) == ("Status", answer.status)
                assert time.monotonic() - began_s < LIMIT_S
            finally:
                await asyncio.to_thread(audited.start)
            async with http.get(f"{gate.server}{SLICES}") as answer:
                assert answer.status == 200

    asyncio.run(go())


def test_it_ends_when_it_is_told_to(audited: ApiServer) -> None:
    with running_gate(audited) as gate:
        gate.process.send_signal(signal.SIGINT)
        assert gate.process.wait(LIMIT_S) == 0


def test_it_says_that_there_is_no_api_server(tmp_path: Path, invoke: Callable[..., Outcome]) -> None:
    nobody = {"server": f"http://127.0.0.1:{free_port()}"}
    written = {
        "clusters": [{"name": "nobody", "cluster": nobody}],
        "contexts": [{"name": "nobody", "context": {"cluster": "nobody"}}],
        "current-context": "nobody",
    }
    (tmp_path / "kubeconfig").write_text(json.dumps(written))
    outcome = invoke("gate", "--kubeconfig", str(tmp_path / "kubeconfig"))
    assert (outcome.code, outcome.stdout) == (4, "")
    assert "refuses connections" in outcome.stderr
    assert "gate" not in invoke("--help").stdout
