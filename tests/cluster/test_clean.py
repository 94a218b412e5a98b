"""`seatrial clean` and objects on a real API server: what a killed run left is found by its record, or by its label."""

from __future__ import annotations

import asyncio
import io
import json
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.api_server import ADMIN, ApiServer, config_map
from tests.support.program import Outcome

from seatrial.cluster.access import open_cluster
from seatrial.cluster.connection.kubeconfig import Where
from seatrial.cluster.leftovers import find
from seatrial.cluster.objects import Objects
from seatrial.cluster.owned import Owned
from seatrial.errors import ClusterFault, StorageFault
from seatrial.systems.installed.definitions import definition

pytestmark = pytest.mark.cluster

LITTLE_S = 5.0
"""How long a removal takes at most, apart from what it waits for anyhow."""

KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from seatrial.cluster.access import open_cluster
from seatrial.cluster.connection.kubeconfig import Where
from seatrial.cluster.owned import Owned
from seatrial.record.writer import RunWriter

async def run(runs, kubeconfig, run_id):
    writer = RunWriter.create(Path(runs), "killed", "name: killed\\n", '{"plan": {"systems": []}, "cases": []}')
    async with open_cluster(Where(kubeconfig)) as client:
        owned = Owned(client, run_id, writer)
        maps = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"{run_id}-{n}", "namespace": "default"}}
                for n in range(300)]
        await owned.apply(maps[:20])
        asyncio.get_running_loop().call_later(0.05, os.kill, os.getpid(), signal.SIGKILL)
        await owned.apply(maps)

asyncio.run(run(*sys.argv[1:]))
"""


def there(where: Where, run: str) -> list[str]:
    async def look() -> list[str]:
        async with open_cluster(where) as client:
            return [one["metadata"]["name"] for one in (await find(client, run)).objects]

    return asyncio.run(look())


class Log:
    """A change log that remembers what was there when something was written down."""

    def __init__(self, where: Where, run: str) -> None:
        self.where, self.run = where, run
        self.open: dict[int, dict[str, Any]] = {}

    def will_start(self, kind: str, detail: Any) -> int:
        self.open[len(self.open) + 1] = {"kind": kind, **detail}
        return len(self.open)

    def undone(self, change_id: int) -> None:
        del self.open[change_id]


def test_what_a_killed_run_left_is_removed_by_its_record(
    server: ApiServer, where: Where, tmp_path: Path, invoke: Callable[..., Outcome]
) -> None:
    run = f"k{uuid.uuid4().hex[:8]}"
    runs = tmp_path / "runs"
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(runs), str(server.kubeconfig), run],
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == -9, ended.stderr.decode()
    left = there(where, run)
    assert 20 <= len(left) < 300
    said = invoke("clean", "--runs", str(runs), "--json", "-")
    (leftover,) = json.loads(said.stdout)["leftovers"]
    assert (leftover["kind"], leftover["problem"]) == ("objects", "")
    assert leftover["name"] == f"ConfigMap in default on {server.url}"
    assert int(leftover["put_back"].split()[0]) >= len(left)
    assert there(where, run) == []
    assert invoke("clean", "--runs", str(runs)).stdout == "nothing left\n"
    # A secret would be in the record, or in what was printed.
    (database,) = runs.glob("*/record.db")
    with sqlite3.connect(database) as connection:
        written = str(connection.execute("SELECT detail FROM changes").fetchall())
    connection.close()
    assert "kubeconfig" in written
    assert server.token(ADMIN) not in written + said.stdout + said.stderr


def test_nothing_is_made_that_is_not_written_down(where: Where) -> None:
    class Full(Log):
        def will_start(self, kind: str, detail: Any) -> int:
            raise StorageFault("the disk is full")

    run = f"k{uuid.uuid4().hex[:8]}"

    async def go() -> None:
        async with open_cluster(where) as client:
            with pytest.raises(StorageFault):
                await Owned(client, run, Full(where, run)).apply([config_map(run)])

    asyncio.run(go())
    assert there(where, run) == []


def test_a_run_removes_what_it_made_and_what_it_wrote_down(where: Where) -> None:
    run = f"k{uuid.uuid4().hex[:8]}"
    log = Log(where, run)

    async def go() -> None:
        async with open_cluster(where) as client:
            owned = Owned(client, run, log)
            await owned.apply([config_map(f"{run}-{number}") for number in range(20)])
            await owned.apply([config_map(f"{run}-{number}", number="again") for number in range(20)])
            # As many as there are places, and not as many as there are objects.
            (change,) = log.open.values()
            assert (change["kind"], change["of"]) == ("objects", [["v1", "ConfigMap", "default"]])
            await Objects(client).apply([config_map(f"{run}-foreign")])
            await owned.remove()
            assert log.open == {}
            assert await Objects(client).get(config_map(f"{run}-foreign")) is not None
            await Objects(client).delete([config_map(f"{run}-foreign")])

    asyncio.run(go())
    assert there(where, run) == []


class Terminal(io.StringIO):
    """Somebody who has typed an answer."""

    def isatty(self) -> bool:
        return True


def make(where: Where, *runs: str) -> None:
    """Make five objects of each run."""

    async def go() -> None:
        async with open_cluster(where) as client:
            for run in runs:
                await Owned(client, run, Log(where, run)).apply([config_map(f"{run}-{n}") for n in range(5)])

    asyncio.run(go())


def test_from_another_machine_it_lists_and_deletes_only_what_it_may(
    server: ApiServer, where: Where, invoke: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, other = (f"k{uuid.uuid4().hex[:8]}" for _ in range(2))
    asked = ("clean", "--on", "kubernetes", "--kubeconfig", str(server.kubeconfig))

    make(where, run, other)
    # Nobody is there to be asked: listed, and left.
    unasked = invoke(*asked, "--run", run)
    assert unasked.code == 2
    assert f"run {run}: 5 objects" in unasked.stdout
    assert f"ConfigMap: default/{run}-0, default/{run}-1, default/{run}-2 and 2 more" in unasked.stdout
    assert other not in unasked.stdout
    assert "--yes" in unasked.stderr
    assert len(there(where, run)) == 5
    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    declined = invoke(*asked, "--run", run)
    assert (declined.code, declined.stdout.splitlines()[-1]) == (0, "nothing was deleted")
    assert f"Delete 5 objects on {server.url}?" in declined.stderr
    assert len(there(where, run)) == 5
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert invoke(*asked, "--run", run).stdout.splitlines()[-1] == "deleted 5 objects"
    assert there(where, run) == []
    make(where, run)
    sure = invoke(*asked, "--run", run, "--yes", "--json", "-")
    document = json.loads(sure.stdout)
    assert sure.code == 0
    assert [one["put_back"] for one in document["leftovers"]] == ["deleted"] * 5
    assert (there(where, run), len(there(where, other))) == ([], 5)
    assert server.token(ADMIN) not in sure.stdout + sure.stderr
    assert invoke(*asked, "--run", other, "--yes").code == 0
    assert invoke(*asked, "--run", other).stdout == f"nothing left on {server.url}\n"


CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "boats.sea.example"},
    "spec": {
        "group": "sea.example",
        "scope": "Namespaced",
        "names": {"plural": "boats", "singular": "boat", "kind": "Boat"},
        "versions": [
            {
                "name": "v1", "served": True, "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
            }
        ],
    },
}  # fmt: skip


# Of the same group, and without objects.
SAILS = {
    **CRD,
    "metadata": {"name": "sails.sea.example"},
    "spec": {**CRD["spec"], "names": {"plural": "sails", "singular": "sail", "kind": "Sail"}},
}


async def until_made(objects: Objects | Owned, manifest: dict[str, Any]) -> None:
    """Make an object of a kind that is being established."""
    async with asyncio.timeout(30):
        while True:
            try:
                await objects.apply([manifest])
            except ClusterFault:
                await asyncio.sleep(0.1)
            else:
                return


def test_what_a_controller_holds_goes_before_its_rights(where: Where) -> None:
    run = f"k{uuid.uuid4().hex[:8]}"
    held = config_map(f"{run}-held")
    held["metadata"]["finalizers"] = ["example.com/held"]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": run}}

    async def lets_go(objects: Objects) -> None:
        """Do as a controller with this role: what is being deleted is let go of, as long as it may."""
        while await objects.get(role) is not None:
            found = await objects.get(held)
            if found is not None and "deletionTimestamp" in found["metadata"]:
                await objects.patch([(held, {"metadata": {"finalizers": None}})])

    async def go() -> None:
        async with open_cluster(where) as client:
            owned = Owned(client, run, Log(where, run))
            await owned.apply([role, held])
            controller = asyncio.create_task(lets_go(Objects(client)))
            await owned.remove(LITTLE_S)
            await controller

    asyncio.run(go())
    assert there(where, run) == []


def test_a_class_whose_controller_has_ended_is_let_go_of(where: Where) -> None:
    run = f"k{uuid.uuid4().hex[:8]}"
    version = "gateway.networking.k8s.io/v1"
    name = {"name": run, "finalizers": ["gateway-exists-finalizer.gateway.networking.k8s.io"]}
    spec = {"controllerName": "example.com/ended"}

    async def go() -> None:
        async with open_cluster(where) as client:
            owned = Owned(client, run, Log(where, run))
            await owned.apply([definition(version, "GatewayClass")])
            one = {"apiVersion": version, "kind": "GatewayClass", "metadata": name, "spec": spec}
            await until_made(owned, one)
            await owned.remove(LITTLE_S)

    asyncio.run(go())
    assert there(where, run) == []


def test_a_definition_stays_as_long_as_others_have_objects_of_it(where: Where) -> None:
    run = f"k{uuid.uuid4().hex[:8]}"
    boat = {
        "apiVersion": "sea.example/v1",
        "kind": "Boat",
        "metadata": {"name": "foreign", "namespace": "default"},
    }

    async def go() -> None:
        async with open_cluster(where) as client:
            log = Log(where, run)
            owned, objects = Owned(client, run, log), Objects(client)
            await owned.apply([CRD, SAILS])
            await until_made(objects, boat)
            with pytest.raises(ClusterFault, match="1 objects of this kind are not the run's"):
                await owned.remove()
            assert len(log.open) == 1
            # Who watches boats watches sails, and would end without.
            assert await objects.get(SAILS) is not None
            assert await objects.get(boat) is not None
            await objects.delete([boat])
            await owned.remove()
            assert log.open == {}

    asyncio.run(go())
    assert there(where, run) == []
