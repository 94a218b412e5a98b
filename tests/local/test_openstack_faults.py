"""What goes wrong with the simulated cloud on demand, as OpenStack's own client meets it, and the control API."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from keystoneauth1.exceptions import ConnectFailure, ConnectTimeout, RequestTimeout
from openstack import exceptions
from tests.support.cloud import Client, RunningCloud, running_cloud
from tests.support.program import wait_until

# It warns of what it will not do itself any more.
pytestmark = pytest.mark.filterwarnings(r"ignore::Warning:openstack\..*")

LIMIT_S = 20.0
LISTS = "*/lbaas/loadbalancers"
AUTH = ("POST", "/identity/v3/auth/tokens", 201)


@pytest.fixture(scope="module")
def running() -> Iterator[RunningCloud]:
    with running_cloud("--services", "12", "--projects", "3", "--members", "1", "--pending", "0s") as cloud:
        yield cloud


@pytest.fixture
def cloud(running: RunningCloud) -> Iterator[RunningCloud]:
    yield running
    running.ask("/faults", method="DELETE")
    running.ask("/rate-limit", method="DELETE")


def listing(client: Client) -> list[str]:
    return [one.id for one in client.connection.load_balancer.load_balancers()]


def url_of(cloud: RunningCloud) -> str:
    return f"{cloud.url}/load-balancer/v2/lbaas/loadbalancers"


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, exceptions.NotFoundException),
        (409, exceptions.ConflictException),
        (429, exceptions.HttpException),
        (500, exceptions.HttpException),
        (503, exceptions.HttpException),
    ],
)
def test_a_status_is_answered_as_often_as_asked(
    cloud: RunningCloud, status: int, error: type[Exception]
) -> None:
    client = cloud.client()
    whole = listing(client)
    cloud.plant(kind="status", status=status, count=2, path=LISTS, method="GET", retry_after="3 s")
    for _ in range(2):
        answer = client.session.get(url_of(cloud), raise_exc=False)
        assert (answer.status_code, answer.headers["Retry-After"]) == (status, "3")
    assert listing(client) == whole
    cloud.plant(kind="status", status=status, path=LISTS, project="admin")
    with pytest.raises(error):
        listing(client)
    (_, planted) = cloud.ask("/faults")["faults"]
    assert planted["done"] >= 1
    # The other services, and who is of another project, are spared.
    assert list(client.connection.load_balancer.pools())
    assert len(listing(cloud.client("project-0001", "project-0001"))) == 4


def test_latencies_are_added_and_seen_by_client_and_simulator(cloud: RunningCloud) -> None:
    client = cloud.client()
    client.session.get_token()
    cloud.plant(kind="latency", time="150ms", path=LISTS)
    cloud.plant(kind="latency", p50="50ms", p99="50ms", path=LISTS)
    cloud.ask("/calls", method="DELETE")
    began_s = time.monotonic()
    client.session.get(url_of(cloud))
    assert time.monotonic() - began_s >= 0.2
    (latency,) = cloud.ask("/calls")["latency_us"]
    assert latency["count"] == 1
    assert latency["max"] >= 199_000


def test_connections_are_reset_and_left_without_an_answer(cloud: RunningCloud) -> None:
    client = cloud.client()
    client.session.get_token()
    cloud.ask("/calls", method="DELETE")
    cloud.plant(kind="reset", path=LISTS, count=1)
    with pytest.raises(ConnectFailure) as failed:
        client.session.get(url_of(cloud), connect_retries=0)
    assert "reset" in str(failed.value).lower()
    cloud.plant(kind="timeout", path=LISTS, count=1)
    with pytest.raises((ConnectTimeout, RequestTimeout, ConnectFailure)):
        client.session.get(url_of(cloud), timeout=0.3, connect_retries=0)
    assert client.session.get(url_of(cloud)).status_code == 200

    def broken_off() -> int:
        return cloud.calls()["GET", "/load-balancer/v2/lbaas/loadbalancers", 0]

    assert wait_until(lambda: broken_off() == 2, LIMIT_S)
    assert cloud.calls()["GET", "/load-balancer/v2/lbaas/loadbalancers", 200] == 1


def test_a_share_of_the_calls_is_the_same_for_the_same_seed() -> None:
    def statuses() -> list[int]:
        with running_cloud(
            "--services",
            "1",
            "--projects",
            "1",
            "--seed",
            "7",
            "--fault",
            "status status=500 share=30% path=/network/*",
        ) as cloud:
            client = cloud.client()
            url = f"{cloud.url}/network/v2.0/lbaas/pools"
            return [client.session.get(url, raise_exc=False).status_code for _ in range(200)]

    first = statuses()
    # Binomial with n = 200, p = 0.3: five standard deviations are 32.
    assert 28 <= first.count(500) <= 92
    assert statuses() == first


def test_an_expired_token_is_renewed_by_the_client(cloud: RunningCloud) -> None:
    client = cloud.client()
    whole = listing(client)
    cloud.plant(kind="token", path=LISTS, count=1)
    assert listing(client) == whole
    assert client.calls[AUTH] == 2
    assert client.calls["GET", "/load-balancer/v2.0/lbaas/loadbalancers", 401] == 1
    assert cloud.ask("/tokens/expire", {})["expired"] >= 1
    assert listing(client) == whole
    assert client.calls[AUTH] == 3


def test_tokens_are_good_for_the_time_that_they_say() -> None:
    with running_cloud("--services", "2", "--token-life", "1s") as cloud:
        client = cloud.client()
        token = client.session.get_token()
        url = f"{cloud.url}/load-balancer/v2/lbaas/loadbalancers"

        def status() -> int:
            headers = {"X-Auth-Token": token}
            answer = client.session.get(url, headers=headers, authenticated=False, raise_exc=False)
            return int(answer.status_code)

        access = client.session.auth.get_access(client.session)
        assert abs((access.expires - access.issued).total_seconds() - 1.0) < 1e-3
        assert wait_until(lambda: status() == 401, LIMIT_S)
        # The client asks for a new one before the old one runs out.
        assert len(listing(client)) == 2
        assert client.calls[AUTH] >= 2


def test_what_is_more_than_a_tokens_rate_is_refused_until_it_has_waited(cloud: RunningCloud) -> None:
    client, other = cloud.client(), cloud.client()
    client.session.get_token()
    other.session.get_token()
    cloud.ask("/rate-limit", {"rate": "1/min", "burst": 3}, "PUT")
    answers = [client.session.get(url_of(cloud), raise_exc=False) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert 50 <= int(answers[-1].headers["Retry-After"]) <= 60
    assert answers[-1].json()["overLimit"]["code"] == 429
    # Each token has its own.
    assert other.session.get(url_of(cloud)).status_code == 200
    assert cloud.ask("/calls")["rate_limited"] == 2
    cloud.ask("/rate-limit", {"rate": "20/s", "burst": 1}, "PUT")
    assert client.session.get(url_of(cloud), raise_exc=False).status_code == 200
    assert wait_until(lambda: client.session.get(url_of(cloud), raise_exc=False).status_code == 200, LIMIT_S)


def test_a_page_changes_while_it_is_being_listed() -> None:
    with running_cloud("--services", "10", "--projects", "1") as cloud:
        client = cloud.client()
        cloud.plant(kind="page", count=1, path="/load-balancer/*")
        seen: list[str] = []
        with pytest.raises(exceptions.BadRequestException, match="marker"):
            seen.extend(one.id for one in client.connection.load_balancer.load_balancers(limit=4))
        assert len(listing(client)) == 9
        changes = cloud.ask("/changes?kind=loadbalancer")["changes"]
        assert [one["change"] for one in changes] == ["delete"]
        assert [one.id for one in client.connection.load_balancer.load_balancers(limit=4)] == listing(client)


def test_the_control_api_makes_changes_and_says_when_they_were_visible(cloud: RunningCloud) -> None:
    client = cloud.client()
    there = listing(client)
    before = cloud.ask("/changes")["last_sequence"]
    began_ns = time.monotonic_ns()
    made = cloud.ask("/services", {"count": 5, "projects": 5, "listeners": 2, "members": 3})["services"]
    ended_ns = time.monotonic_ns()
    moments = [one["visible"]["monotonic_ns"] for one in made]
    # CLOCK_MONOTONIC is the machine's: the test reads the same one.
    assert began_ns < min(moments)
    assert moments == sorted(moments)
    assert max(moments) < ended_ns
    assert [one for one in listing(client) if one not in there] == [one["id"] for one in made]
    assert len({one["project"] for one in made}) == 5
    changes = cloud.ask(f"/changes?after={before}")["changes"]
    assert len(changes) == 5 * (1 + 2 * (1 + 1 + 3))
    assert {one["change"] for one in changes} == {"create"}
    assert all(one["visible"] == one["done"] for one in changes)

    identity = made[0]["id"]
    (found,) = [one for one in cloud.ask("/services")["services"] if one["id"] == identity]
    pools = list(client.connection.load_balancer.pools(loadbalancer_id=identity))

    def addresses() -> list[str]:
        members = [one for pool in pools for one in client.connection.load_balancer.members(pool)]
        return sorted(f"{one.address}:{one.protocol_port}" for one in members)

    old = addresses()
    assert old == sorted(member for port in found["ports"] for member in port["members"])
    cloud.ask("/services/update", {"ids": [identity]})
    assert len(addresses()) == 6
    assert len(set(addresses()) & set(old)) == 3
    (other,) = cloud.ask("/services", {"count": 1, "project": "team", "members": 0})["services"]
    assert other["project"] == "team"
    assert listing(cloud.client("team", "team")) == [other["id"]]
    made.append(other)
    gone = cloud.ask("/services/delete", {"ids": [one["id"] for one in made]})["services"]
    assert [one["id"] for one in gone] == [one["id"] for one in made]
    assert listing(client) == there
    assert all(pool.id not in {one.id for one in client.connection.load_balancer.pools()} for pool in pools)


def test_a_clients_change_is_visible_at_once_and_done_later() -> None:
    with running_cloud("--services", "1", "--projects", "1", "--pending", "400ms") as cloud:
        client = cloud.client().connection.load_balancer
        balancer = client.create_load_balancer(name="mine", vip_subnet_id="a-subnet")
        (change,) = cloud.ask("/changes")["changes"]
        assert (change["change"], change["id"], change["done"]) == ("create", balancer.id, None)
        client.wait_for_load_balancer(balancer.id, interval=0.05, wait=20)
        (change,) = cloud.ask("/changes")["changes"]
        assert change["done"]["monotonic_ns"] - change["visible"]["monotonic_ns"] == 400_000_000


@pytest.mark.parametrize(
    ("path", "body", "method", "status", "says"),
    [
        ("/services", {"count": 0}, None, 400, "count"),
        ("/services", {"count": 90_000}, None, 409, "more than a simulated cloud holds"),
        ("/services", [], None, 400, "valid"),
        ("/services", {"count": 1, "project": "a/b"}, None, 400, "project"),
        ("/services/delete", {}, None, 400, '"ids" or a "count"'),
        ("/services/delete", {"ids": ["nobody"]}, None, 404, "no load balancer nobody"),
        ("/services/delete", {"count": 1, "project": "nowhere"}, None, 404, "no project nowhere"),
        ("/faults", {"kind": "flood"}, None, 400, "kind"),
        ("/faults", {"kind": "status"}, None, 400, "has a `status`"),
        ("/faults", {"kind": "latency"}, None, 400, "a latency is"),
        ("/faults", {"kind": "latency", "time": "fast"}, None, 400, "is not a duration"),
        ("/faults", {"kind": "reset", "share": "much"}, None, 400, "no share"),
        ("/faults", [{"kind": "reset"}] * 101, None, 409, "100 faults"),
        ("/faults/77", None, "DELETE", 404, "no fault 77"),
        ("/rate-limit", {"rate": "fast"}, "PUT", 400, "is not a rate"),
        ("/changes?after=soon", None, None, 400, "no number"),
        ("/nothing", None, None, 404, "Not Found"),
    ],
)
def test_what_the_control_api_does_not_understand_it_says(
    cloud: RunningCloud, path: str, body: Any, method: str | None, status: int, says: str
) -> None:
    got, document = cloud.asked(path, body, method)
    assert got == status
    assert says in document["error"]
    assert cloud.ask("/faults")["faults"] == []


def test_it_says_who_is_there_already_and_stays_on_this_machine(invoke: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        outcome = invoke("openstack", "--listen", f"127.0.0.1:{taken.getsockname()[1]}", "--services", "0")
    assert (outcome.code, outcome.stdout) == (4, "")
    assert "cannot listen on 127.0.0.1:" in outcome.stderr
    assert "hint: stop what listens there" in outcome.stderr
    outcome = invoke("openstack", "--listen", ":0")
    assert outcome.code == 2
    assert "add --anywhere" in outcome.stderr
    for fault in ("flood", "status", "latency time", "reset share=200%"):
        outcome = invoke("openstack", "--listen", "127.0.0.1:0", "--fault", fault)
        assert (outcome.code, outcome.stdout) == (2, ""), fault
        assert f"--fault '{fault}'" in outcome.stderr
    assert invoke("openstack", "--services", "1M").code == 2
    assert invoke("openstack", "--token-life", "0s").code == 2
