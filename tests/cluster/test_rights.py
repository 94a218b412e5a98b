"""Rights on a real API server: exactly the role that is printed is enough, and one verb less is named."""

from __future__ import annotations

import asyncio
import copy
import json
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import yaml
from tests.support.api_server import USERS, ApiServer, config_map
from tests.support.program import Outcome

from seatrial.cluster.access import open_cluster
from seatrial.cluster.client import Client
from seatrial.cluster.connection.kubeconfig import Where
from seatrial.cluster.leftovers import Group, find
from seatrial.cluster.objects import Objects
from seatrial.cluster.owned import RIGHTS, Owned
from seatrial.cluster.rights import Right, least_roles, missing_rights, rights_to
from seatrial.errors import ClusterFault
from seatrial.machine.processes.changes import Unrecorded
from seatrial.run.cluster.rights import every_right

pytestmark = pytest.mark.cluster
RBAC = "rbac.authorization.k8s.io/v1"
USED = (*RIGHTS, *rights_to("create patch list get delete", "configmaps"))
"""What the test does: a namespace of its own, and ConfigMaps in it. What is applied is created, too."""


async def give(where: Where, user: str, roles: Sequence[dict[str, Any]]) -> None:
    """Have a user hold these roles and no others."""
    async with open_cluster(where) as admin:
        for role in roles:
            name = f"{user}-{role['metadata']['name']}"
            made = {**role, "metadata": {**role["metadata"], "name": name}}
            binding = {
                "apiVersion": RBAC,
                "kind": f"{role['kind']}Binding",
                "metadata": made["metadata"],
                "subjects": [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}],
                "roleRef": {"kind": role["kind"], "name": name, "apiGroup": "rbac.authorization.k8s.io"},
            }
            await Objects(admin).apply([made, binding])


async def settled(client: Client, rights: Sequence[Right], missing: Sequence[Right]) -> None:
    """Ask until the API server knows of the roles, which it watches like everybody."""
    async with asyncio.timeout(30):
        while await missing_rights(client, rights) != tuple(missing):  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.05)


async def use(where: Where, user: str) -> None:
    """Do what :data:`USED` is for, as a user."""
    name = f"r{uuid.uuid4().hex[:8]}"
    async with open_cluster(Where(where.kubeconfig, user)) as client:
        owned = Owned(client, name, Unrecorded())
        await owned.namespace(name)
        await owned.apply([config_map("a", name), config_map("b", name)])
        groups = [Group("v1", "ConfigMap", name), Group("v1", "Namespace")]
        assert len((await find(client, name, groups)).objects) == 3
        await Objects(client).delete([config_map("a", name), config_map("b", name)])
        assert await Objects(client).get(config_map("a", name)) is None
        with pytest.raises(ClusterFault) as raised:
            await owned.remove(limit_s=0.3)
        if raised.value.status:
            raise raised.value
        # Nobody removes the namespace, for there is no controller.
        assert f"Namespace {name} (it is being deleted)" in raised.value.what


def test_exactly_the_least_role_is_enough(where: Where) -> None:
    async def run() -> None:
        await give(where, USERS[0], least_roles(USED))
        async with open_cluster(Where(where.kubeconfig, USERS[0])) as client:
            await settled(client, USED, ())
        await use(where, USERS[0])

    asyncio.run(run())


@pytest.mark.parametrize("lacking", USED, ids=str)
def test_with_one_verb_less_the_check_names_it_and_the_work_fails_on_it(where: Where, lacking: Right) -> None:
    async def run() -> None:
        await give(where, USERS[1], least_roles(right for right in USED if right != lacking))
        async with open_cluster(Where(where.kubeconfig, USERS[1])) as client:
            await settled(client, USED, (lacking,))
        with pytest.raises(ClusterFault, match="403 Forbidden") as raised:
            await use(where, USERS[1])
        assert f'cannot {lacking.verb} resource "{lacking.resource}"' in str(raised.value.cause)

    asyncio.run(run())


def test_a_right_in_one_namespace_is_one_there_only(where: Where) -> None:
    here, elsewhere = (rights_to("get", "pods/log", namespace=name) for name in ("default", "kube-system"))

    async def run() -> None:
        await give(where, USERS[2], least_roles(here))
        async with open_cluster(Where(where.kubeconfig, USERS[2])) as client:
            everywhere = rights_to("get", "pods/log")
            await settled(client, [*here, *elsewhere, *everywhere], [*elsewhere, *everywhere])

    asyncio.run(run())


async def _with_all_but(where: Where, user: str, roles: list[dict[str, Any]], names: tuple[str, ...]) -> None:
    """Have a user hold these roles without these resources, which nobody needs."""
    left = copy.deepcopy(roles)
    for role in left:
        for rule in role["rules"]:
            rule["resources"] = [one for one in rule["resources"] if one not in names]
        role["rules"] = [rule for rule in role["rules"] if rule["resources"]]
    await give(where, user, left)
    missing = [right for right in every_right() if right.is_optional]
    async with open_cluster(Where(where.kubeconfig, user)) as client:
        await settled(client, every_right(), missing)


def test_the_check_says_what_is_missing_and_the_role_that_it_prints_is_all_there_is_to_give(
    server: ApiServer, where: Where, invoke: Callable[..., Outcome]
) -> None:
    asked = ("check", "--on", "kubernetes", "--kubeconfig", str(server.kubeconfig), "--context", USERS[3])
    before = invoke(*asked)
    assert before.code == 4
    assert f"0 of {len(every_right())} are there" in before.stdout
    assert "missing  create namespaces: each run has a namespace of its own" in before.stdout
    assert "--rbac" in before.stdout
    roles = list(yaml.safe_load_all(invoke("check", "--on", "kubernetes", "--rbac").stdout))

    async def run() -> None:
        await give(where, USERS[3], roles)
        async with open_cluster(Where(where.kubeconfig, USERS[3])) as client:
            await settled(client, every_right(), ())

    asyncio.run(run())
    asyncio.run(_with_all_but(where, USERS[3], roles, ("nodes/proxy", "events")))
    less = invoke(*asked)
    assert less.code == 0
    assert f"warn    rights   {len(every_right()) - 2} of {len(every_right())} are there" in less.stdout
    assert "missing  get nodes/proxy: what pods and nodes use is read from the kubelets" in less.stdout
    asyncio.run(run())
    after = invoke(*asked, "--json", "-")
    document = json.loads(after.stdout)
    assert (after.code, document["fits"]) == (0, True)
    assert all(right["is_there"] for right in document["rights"])
    assert document["cluster"]["server"] == server.url
    for outcome in (before, after):
        assert server.token(USERS[3]) not in outcome.stdout + outcome.stderr
