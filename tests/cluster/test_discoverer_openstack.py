"""The reference discoverer from the simulated cloud into a real API server, through all that goes wrong there."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator

import pytest
from tests.support.api_server import ApiServer
from tests.support.cloud import RunningCloud, running_cloud
from tests.support.discovering import Backend, RunningDiscoverer, discovering
from tests.support.program import wait_until

# The real client warns of what it will not do itself any more.
pytestmark = [pytest.mark.cluster, pytest.mark.filterwarnings(r"ignore::Warning:openstack\..*")]
PERIOD = ("--period", "300ms", "--source-timeout", "1s")
LISTS = "/load-balancer/v2/lbaas/{}"


@pytest.fixture
def cloud() -> Iterator[RunningCloud]:
    with running_cloud("--services", "12", "--projects", "3", "--listeners", "2") as running:
        yield running


@pytest.fixture
def backend(server: ApiServer) -> Iterator[Backend]:
    made = Backend(server, f"os-{uuid.uuid4().hex[:8]}")
    yield made
    made.remove()


def environment(cloud: RunningCloud) -> dict[str, str]:
    return {
        "OS_AUTH_URL": f"{cloud.url}/identity",
        "OS_USERNAME": "admin",
        "OS_PASSWORD": "seatrial",
        "OS_PROJECT_NAME": "admin",
    }


def flags(backend: Backend) -> tuple[str, ...]:
    into = str(backend.server.kubeconfig)
    return "--from", "openstack", "--into", into, "--backend", backend.name, *PERIOD, "--qps", "0"


def wanted(cloud: RunningCloud) -> dict[str, list[str]]:
    """What the cloud itself says that is to be found."""
    return {
        f"{one['project']}/{one['name']}": [end for port in one["ports"] for end in port["members"]]
        for one in cloud.ask("/services")["services"]
    }


def cycles_that_went_well(running: RunningDiscoverer, cloud: RunningCloud, backend: Backend) -> None:
    """Change something, and see it arrive: the source is read again."""
    cloud.ask("/services/update", {"count": 1})
    backend.becomes(wanted(cloud))
    running.assert_conserved()


def test_load_balancers_are_carried_and_followed_at_few_calls(cloud: RunningCloud, backend: Backend) -> None:
    with discovering(*flags(backend), environment=environment(cloud)) as running:
        backend.becomes(wanted(cloud))
        ports = {
            (port["name"], port["port"])
            for one in backend.objects()
            if one["kind"] == "Service"
            for port in one["spec"]["ports"]
        }
        assert ports == {("port-80", 80), ("port-81", 81)}
        # The projects' names once, the members of each pool once, and three lists a cycle.
        calls = {path: count for (_, path, _), count in cloud.calls().items()}
        assert calls["/identity/v3/projects"] == calls["/identity/v3/auth/tokens"] == 1
        assert calls[LISTS.format("pools/{}/members")] == 24
        cloud.ask("/calls", method="DELETE")
        versions, writes, before = backend.versions(), running.writes(), running.cycles()
        running.after_cycles(3)
        calls = {path: count for (_, path, _), count in cloud.calls().items()}
        assert set(calls) == {LISTS.format(name) for name in ("loadbalancers", "listeners", "pools")}
        assert calls[LISTS.format("loadbalancers")] >= running.cycles() - before - 1
        assert (backend.versions(), running.writes()) == (versions, writes)
        cloud.ask("/services", {"count": 1, "project": "Another_Team"})
        cloud.ask("/services/update", {"count": 2})
        cloud.ask("/services/delete", {"count": 1, "project": "project-0003"})
        expected = wanted(cloud)
        (new,) = [name for name in expected if name.startswith("Another_Team/")]
        # A name that is none for a namespace becomes one, with a digest.

        def made_names() -> list[str]:
            return [name for name in backend.addresses() if name.startswith("another-team-")]

        assert wait_until(made_names, 20, 0.05)
        (made,) = made_names()
        assert re.fullmatch(rf"another-team-[0-9a-f]{{8}}/{new.partition('/')[2]}", made)
        backend.becomes({made if name == new else name: ends for name, ends in expected.items()})
        running.assert_conserved()


def test_what_goes_wrong_at_the_cloud_is_counted_and_never_taken_for_a_deletion(
    cloud: RunningCloud, backend: Backend
) -> None:
    cloud.ask("/tokens/expire", {}, "POST")
    with discovering(*flags(backend), environment=environment(cloud)) as running:
        backend.becomes(wanted(cloud))
        cloud.ask("/tokens/expire", {}, "POST")
        cycles_that_went_well(running, cloud, backend)
        versions, writes = backend.versions(), running.writes()
        for kind, path, errortype in (
            ({"kind": "status", "status": 503}, LISTS.format("loadbalancers"), "list_loadbalancers"),
            ({"kind": "status", "status": 404}, LISTS.format("listeners"), "list_listeners"),
            ({"kind": "status", "status": 409}, LISTS.format("pools"), "list_pools"),
            ({"kind": "status", "status": 429, "retry_after": "1s"}, LISTS.format("pools"), "list_pools"),
            ({"kind": "timeout"}, LISTS.format("listeners"), "list_listeners"),
            ({"kind": "reset"}, LISTS.format("loadbalancers"), "list_loadbalancers"),
        ):
            planted, before = (
                cloud.plant(path=path, **kind),
                running.metric("errors_total", errortype=errortype),
            )

            def has_failed(before: float = before, errortype: str = errortype) -> bool:
                return running.metric("errors_total", errortype=errortype) > before

            assert wait_until(has_failed, 20, 0.05), (kind, path)
            cloud.ask(f"/faults/{planted}", method="DELETE")
        assert (backend.versions(), running.writes()) == (versions, writes)
        cycles_that_went_well(running, cloud, backend)


def test_members_that_cannot_be_read_leave_their_service_as_it_is(
    cloud: RunningCloud, backend: Backend
) -> None:
    with discovering(*flags(backend), environment=environment(cloud)) as running:
        backend.becomes(wanted(cloud))
        before = backend.addresses()
        fault = cloud.plant(kind="status", status=404, path=LISTS.format("pools/*/members"))
        cloud.ask("/services/update", {"count": 1})
        running.after_cycles(2)
        assert backend.addresses() == before
    # Neither does one that begins now, and knows of nothing yet.
    with discovering(*flags(backend), environment=environment(cloud)) as running:
        running.after_cycles(2)
        assert backend.addresses() == before
        assert (running.metric("upstream_services"), running.writes()) == (12, 0)
        cloud.ask(f"/faults/{fault}", method="DELETE")
        cycles_that_went_well(running, cloud, backend)


def test_pages_whose_end_vanishes_are_read_anew_and_a_limited_cloud_is_waited_for(backend: Backend) -> None:
    limits = ("--services", "12", "--projects", "3", "--page-limit", "5", "--rate-limit", "20/s")
    with running_cloud(*limits) as cloud:
        cloud.plant(kind="page", path=LISTS.format("loadbalancers"), count=1)
        with discovering(*flags(backend), environment=environment(cloud)) as running:
            assert wait_until(lambda: len(backend.addresses()) == 11, 30, 0.1)
            backend.becomes(wanted(cloud))
            assert cloud.calls()["GET", LISTS.format("loadbalancers"), 400] == 1
            running.assert_conserved()
        assert cloud.ask("/calls")["rate_limited"] > 0


def test_two_load_balancers_of_one_name_are_two_services(cloud: RunningCloud, backend: Backend) -> None:
    octavia = cloud.client("project-0001").connection.load_balancer
    twin = octavia.create_load_balancer(
        name="service-00001", vip_subnet_id="00000000-0000-4000-8000-000000000001"
    )
    with discovering(*flags(backend), environment=environment(cloud)) as running:
        assert wait_until(lambda: len(backend.addresses()) == 13, 20, 0.05)
        names = [name for name in backend.addresses() if name.startswith("project-0001/service-00001")]
        assert len(names) == 2
        assert all(re.fullmatch(r"project-0001/service-00001-[0-9a-f]{8}", name) for name in names)
        assert wait_until(lambda: octavia.get_load_balancer(twin.id).provisioning_status == "ACTIVE", 10, 0.1)
        octavia.delete_load_balancer(twin.id)
        assert wait_until(lambda: len(cloud.ask("/services")["services"]) == 12, 10, 0.05)
        backend.becomes(wanted(cloud))
        running.assert_conserved()
