"""``seatrial openstack``, held against OpenStack's own client: what it lists, shows, changes, renews and refuses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from openstack import exceptions
from tests.support.cloud import RunningCloud, running_cloud

# It warns of what it will not do itself any more.
pytestmark = pytest.mark.filterwarnings(r"ignore::Warning:openstack\..*")

SERVICES, PROJECTS = 30, 4


@pytest.fixture(scope="module")
def cloud() -> Iterator[RunningCloud]:
    with running_cloud(
        "--services", str(SERVICES), "--projects", str(PROJECTS), "--pending", "300ms"
    ) as running:
        yield running


def test_an_administrator_lists_projects_and_what_is_in_each(cloud: RunningCloud) -> None:
    admin = cloud.client().connection
    projects = list(admin.identity.projects())
    assert [project.name for project in projects] == ["admin", *(f"project-{n:04}" for n in range(1, 5))]
    names: set[str] = set()
    ports: Counter[int] = Counter()
    members = 0
    for project in projects:
        balancers = {one.id: one for one in admin.load_balancer.load_balancers(project_id=project.id)}
        names |= {one.name for one in balancers.values()}
        listeners = list(admin.load_balancer.listeners(project_id=project.id))
        assert {one.load_balancers[0]["id"] for one in listeners} == set(balancers)
        ports.update(one.protocol_port for one in listeners)
        for pool in admin.load_balancer.pools(project_id=project.id):
            assert pool.loadbalancers[0]["id"] in balancers
            found = list(admin.load_balancer.members(pool))
            assert [one.id for one in found] == [one["id"] for one in pool.members]
            members += len(found)
    assert names == {f"service-{number:05}" for number in range(1, SERVICES + 1)}
    assert ports == {80: SERVICES}
    assert members == 2 * SERVICES


def test_neutron_and_octavia_show_the_same_load_balancers(cloud: RunningCloud) -> None:
    admin = cloud.client().connection
    neutron = {one.id: one.name for one in admin.network.load_balancers()}
    assert neutron == {one.id: one.name for one in admin.load_balancer.load_balancers()}
    assert len(list(admin.network.pools())) == SERVICES
    pool = next(iter(admin.network.pools()))
    assert len(list(admin.network.pool_members(pool))) == 2
    # Octavia alone says when: in UTC, to the second.
    created = next(iter(admin.load_balancer.load_balancers())).created_at
    age_s = (datetime.now(UTC) - datetime.fromisoformat(created).replace(tzinfo=UTC)).total_seconds()
    assert 0 <= age_s < 600
    text = cloud.client().session.get(
        "/v2.0/lbaas/loadbalancers", endpoint_filter={"service_type": "network"}
    )
    assert "created_at" not in text.json()["loadbalancers"][0]


@pytest.mark.parametrize("limit", [1, 7, SERVICES, SERVICES + 1])
def test_pages_of_any_size_have_each_load_balancer_once(cloud: RunningCloud, limit: int) -> None:
    client = cloud.client()
    whole = [one.id for one in client.connection.load_balancer.load_balancers()]
    client.calls.clear()
    assert [one.id for one in client.connection.load_balancer.load_balancers(limit=limit)] == whole
    pages = client.calls["GET", "/load-balancer/v2.0/lbaas/loadbalancers", 200]
    assert SERVICES / limit <= pages <= SERVICES // limit + 2
    assert [one.id for one in client.connection.network.load_balancers(limit=limit)] == whole
    projects = [one.id for one in client.connection.identity.projects(limit=limit)]
    assert len(projects) == len(set(projects)) == PROJECTS + 1


def test_filters_order_and_fields_are_those_that_are_asked_for(cloud: RunningCloud) -> None:
    session = cloud.client().session

    def names(query: str, service: str = "load-balancer", version: str = "v2") -> list[str]:
        answer = session.get(
            f"/{version}/lbaas/loadbalancers?{query}", endpoint_override=f"{cloud.url}/{service}"
        )
        return [one["name"] for one in answer.json()["loadbalancers"]]

    assert names("name=service-00003") == ["service-00003"]
    assert names("name=service-00003&name=service-00009", "network", "v2.0") == [
        "service-00003",
        "service-00009",
    ]
    newest_first = [f"service-{number:05}" for number in range(SERVICES, 0, -1)]
    assert names("sort=name:desc") == names("sort_key=name&sort_dir=desc", "network", "v2.0") == newest_first
    assert names("sort=name:desc&limit=2") == newest_first[:2]
    assert names("admin_state_up=false") == []
    fields = session.get(
        "/v2.0/lbaas/loadbalancers?fields=id&fields=name&limit=1", endpoint_override=f"{cloud.url}/network"
    )
    (one,) = fields.json()["loadbalancers"]
    assert set(one) == {"id", "name"}
    back = {link["rel"]: link["href"] for link in fields.json()["loadbalancers_links"]}
    second = session.get(back["next"]).json()
    links = {link["rel"]: link["href"] for link in second["loadbalancers_links"]}
    assert session.get(links["previous"]).json()["loadbalancers"] == [one]
    for wrong in ("colour=red", "sort=colour", "sort=name:up", "limit=many", "marker=nobody"):
        answer = session.get(
            f"/v2/lbaas/loadbalancers?{wrong}",
            endpoint_override=f"{cloud.url}/load-balancer",
            raise_exc=False,
        )
        assert (answer.status_code, answer.json()["faultcode"]) == (400, "Client"), wrong
    gone = session.get(f"{cloud.url}/network/v2.0/lbaas/pools?limit=1&marker=nobody", raise_exc=False)
    assert (gone.status_code, gone.json()["NeutronError"]["type"]) == (404, "EntityNotFound")


def test_a_project_sees_its_own_and_no_other(cloud: RunningCloud) -> None:
    own = cloud.client("project-0002", "project-0002")
    project_id = own.session.get_project_id()
    found = list(own.connection.load_balancer.load_balancers())
    assert len(found) == len(range(1, SERVICES, PROJECTS))
    assert {one.project_id for one in found} == {project_id}
    admin = cloud.client().connection
    foreign = next(one for one in admin.load_balancer.load_balancers() if one.project_id != project_id)
    # Octavia says that it is not allowed, Neutron that there is none.
    with pytest.raises(exceptions.ForbiddenException):
        own.connection.load_balancer.get_load_balancer(foreign.id)
    with pytest.raises(exceptions.ForbiddenException):
        list(own.connection.load_balancer.load_balancers(project_id=foreign.project_id))
    with pytest.raises(exceptions.NotFoundException):
        own.connection.network.get_load_balancer(foreign.id)
    assert list(own.connection.network.load_balancers(project_id=foreign.project_id)) == []
    with pytest.raises(exceptions.ForbiddenException):
        list(own.connection.identity.projects())
    assert [one.name for one in own.connection.identity.user_projects(own.session.get_user_id())] == [
        "project-0002"
    ]


def test_who_has_no_right_is_refused_in_the_words_of_keystone(cloud: RunningCloud) -> None:
    session = cloud.client().session

    def issue(user: str, password: str, project: str) -> tuple[int, Any]:
        named = {"name": user, "domain": {"id": "default"}, "password": password}
        scope = {"project": {"name": project, "domain": {"name": "Default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": named}}, "scope": scope}}
        answer = session.post(
            f"{cloud.url}/identity/v3/auth/tokens", json=body, authenticated=False, raise_exc=False
        )
        return answer.status_code, answer.json()

    assert issue("admin", "seatrial", "project-0001")[0] == 201
    for wrong in (
        ("admin", "wrong", "admin"),
        ("nobody", "seatrial", "admin"),
        ("admin", "seatrial", "nowhere"),
        ("project-0001", "seatrial", "project-0002"),
    ):
        status, document = issue(*wrong)
        assert (status, document["error"]["title"]) == (401, "Unauthorized"), wrong
    bodies: list[Any] = [[], {}, {"auth": {"identity": {"methods": ["magic"], "magic": {}}}}]
    for body in bodies:
        answer = session.post(
            f"{cloud.url}/identity/v3/auth/tokens", json=body, authenticated=False, raise_exc=False
        )
        assert answer.status_code == 400, body
    answer = session.get(f"{cloud.url}/network/v2.0/lbaas/pools", authenticated=False, raise_exc=False)
    assert answer.status_code == 401
    assert "Keystone uri=" in answer.headers["WWW-Authenticate"]
    missing = session.get(f"{cloud.url}/network/v2.0/routers", raise_exc=False)
    assert (missing.status_code, "NeutronError" in missing.json()) == (404, True)


def test_an_application_credential_and_a_token_are_other_ways_in(cloud: RunningCloud) -> None:
    given = cloud.ask("")["application_credential"]
    client = cloud.client(application_credential_id=given["id"], application_credential_secret="seatrial")
    assert len(list(client.connection.load_balancer.load_balancers())) == SERVICES
    wrong = cloud.client(application_credential_id=given["id"], application_credential_secret="x")
    with pytest.raises(exceptions.SDKException, match="requires authentication"):
        wrong.connection.authorize()
    admin = cloud.client()
    token = admin.session.get_token()
    body = {
        "auth": {
            "identity": {"methods": ["token"], "token": {"id": token}},
            "scope": {
                "project": {"id": cloud.client("project-0001", "project-0001").session.get_project_id()}
            },
        }
    }
    rescoped = admin.session.post(f"{cloud.url}/identity/v3/auth/tokens", json=body, authenticated=False)
    assert rescoped.json()["token"]["project"]["name"] == "project-0001"
    shown = admin.session.get(f"{cloud.url}/identity/v3/auth/tokens", headers={"X-Subject-Token": token})
    assert shown.json()["token"]["user"]["name"] == "admin"


def test_a_service_is_created_waited_for_updated_and_deleted(cloud: RunningCloud) -> None:
    own = cloud.client("project-0003", "project-0003").connection.load_balancer
    balancer = own.create_load_balancer(name="mine", vip_subnet_id="a-subnet", vip_address="10.9.9.9")
    assert balancer.provisioning_status == "PENDING_CREATE"
    # While it is pending nothing of it may be changed.
    with pytest.raises(exceptions.ConflictException):
        own.create_listener(name="early", protocol="HTTP", protocol_port=80, loadbalancer_id=balancer.id)

    def active() -> None:
        own.wait_for_load_balancer(balancer.id, interval=0.1, wait=20)

    active()
    listener = own.create_listener(
        name="mine-80", protocol="HTTP", protocol_port=80, load_balancer_id=balancer.id
    )
    active()
    pool = own.create_pool(
        name="mine-80", protocol="HTTP", lb_algorithm="ROUND_ROBIN", listener_id=listener.id
    )
    active()
    member = own.create_member(pool, address="10.1.2.3", protocol_port=8080)
    active()
    monitor = own.create_health_monitor(pool_id=pool.id, type="HTTP", delay=5, timeout=3, max_retries=2)
    active()
    assert own.get_listener(listener.id).default_pool_id == pool.id
    whole = own.get_pool(pool.id)
    assert [one["id"] for one in whole.members] == [member.id]
    assert (whole.health_monitor_id, whole.listeners[0]["id"]) == (monitor.id, listener.id)
    with pytest.raises(exceptions.ConflictException):
        own.create_listener(name="again", protocol="HTTP", protocol_port=80, load_balancer_id=balancer.id)
    with pytest.raises(exceptions.BadRequestException):
        own.create_member(pool, address="no address", protocol_port=8080)
    own.update_member(member.id, pool, weight=7)
    assert own.get_member(member.id, pool).provisioning_status == "PENDING_UPDATE"
    active()
    changed = own.get_member(member.id, pool)
    assert (changed.weight, changed.provisioning_status) == (7, "ACTIVE")
    with pytest.raises(exceptions.BadRequestException):
        own.delete_load_balancer(balancer.id)
    own.delete_load_balancer(balancer.id, cascade=True)
    assert own.get_load_balancer(balancer.id).provisioning_status == "PENDING_DELETE"
    own.wait_for_delete(balancer, interval=0.1, wait=20)
    for get, gone in (
        (own.get_load_balancer, balancer),
        (own.get_listener, listener),
        (own.get_pool, pool),
        (own.get_health_monitor, monitor),
    ):
        with pytest.raises(exceptions.NotFoundException):
            get(gone.id)


def test_neutron_creates_and_deletes_too(cloud: RunningCloud) -> None:
    admin = cloud.client().connection.network
    balancer = admin.create_load_balancer(name="old style", vip_subnet_id="a-subnet")
    assert balancer.provisioning_status == "PENDING_CREATE"
    with pytest.raises(exceptions.ConflictException):
        admin.delete_load_balancer(balancer.id)
    balancer = cloud.client().connection.load_balancer.wait_for_load_balancer(
        balancer.id, interval=0.1, wait=20
    )
    admin.update_load_balancer(balancer.id, name="renamed")
    assert admin.get_load_balancer(balancer.id).name == "renamed"
    cloud.client().connection.load_balancer.wait_for_load_balancer(balancer.id, interval=0.1, wait=20)
    admin.delete_load_balancer(balancer.id)
    cloud.client().connection.load_balancer.wait_for_delete(
        cloud.client().connection.load_balancer.get_load_balancer(balancer.id), interval=0.1, wait=20
    )
    with pytest.raises(exceptions.NotFoundException):
        admin.get_load_balancer(balancer.id)


def test_it_counts_the_calls_that_its_client_counts(cloud: RunningCloud) -> None:
    cloud.ask("/calls", method="DELETE")
    client = cloud.client("project-0001", "project-0001")
    balancers = list(client.connection.load_balancer.load_balancers(limit=2))
    client.connection.load_balancer.get_load_balancer(balancers[0].id)
    for pool in client.connection.load_balancer.pools():
        list(client.connection.load_balancer.members(pool))
    with pytest.raises(exceptions.NotFoundException):
        client.connection.load_balancer.get_pool("00000000-0000-4000-8000-00000000ffff")
    assert cloud.calls() == client.calls
    document = cloud.ask("/calls")
    by_project = {one["project_id"] for one in document["calls"] if "lbaas" in one["path"]}
    assert by_project == {client.session.get_project_id()}
    assert document["total"] == client.calls.total() == sum(one["count"] for one in document["latency_us"])
    assert all(0 < one["p50"] <= one["p99"] <= one["max"] for one in document["latency_us"])
