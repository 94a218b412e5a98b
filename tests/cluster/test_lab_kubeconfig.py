"""A lab in a person's kubeconfig: merged in, taken out again, and what else is there stays as it was."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from tools.cluster import layout
from tools.cluster.access import kubeconfig
from tools.cluster.layout import Cluster

from seatrial.cluster.connection.kubeconfig import Where, choose
from seatrial.errors import EnvironmentFault

OTHERS = """\
# A comment.
apiVersion: v1
kind: Config
preferences: {colors: true}
clusters:
- name: prod
  cluster: {server: "https://10.0.0.1:6443", insecure-skip-tls-verify: true}
users:
- name: me
  user:
    token: 0123
    auth-provider: {config: {expiry: 2026-11-26T01:02:03Z}}
contexts:
- name: prod
  context: {cluster: prod, user: me}
current-context: prod
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(layout.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(kubeconfig, "LOCK_LIMIT_S", 0.2)
    file = tmp_path / "home/.kube/config"
    monkeypatch.setenv("KUBECONFIG", f"{file}{os.pathsep}{tmp_path / 'second'}")
    return file


def lab(name: str = "seatrial") -> Cluster:
    """Return one of which nothing is there but what ``up`` would have left for this."""
    cluster = Cluster(name)
    cluster.pki.mkdir(parents=True)
    named = f"seatrial-{name}"
    content = {
        "clusters": [{"name": named, "cluster": {"server": f"https://{name}:6443"}}],
        "users": [{"name": "admin", "user": {"client-key-data": "AAAA"}}],
        "contexts": [{"name": named, "context": {"cluster": named, "user": "admin"}}],
        "current-context": named,
    }
    cluster.kubeconfig.write_text(json.dumps(content))
    return cluster


def enter(cluster: Cluster) -> str:
    said: list[str] = []
    kubeconfig.enter(cluster, said.append)
    return "\n".join(said)


def leave(cluster: Cluster) -> None:
    kubeconfig.leave(cluster, kubeconfig.noted(cluster), print)


def strings(text: str) -> Any:
    """Return a document with every value as it is written, so that no meaning is given to it."""
    return yaml.load(text, Loader=yaml.BaseLoader)


def test_it_is_merged_in_taken_out_and_others_stay_as_they_are_written(file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(OTHERS)
    file.chmod(0o644)
    cluster = lab()
    assert enter(cluster) == f"context seatrial-lab is the current one of {file}"
    # As seatrial reads it, with no word from a person.
    chosen = choose(Where())
    assert chosen is not None
    assert (chosen.context, chosen.server) == ("seatrial-lab", "https://seatrial:6443")
    assert file.stat().st_mode & 0o777 == 0o600
    merged = strings(file.read_text())
    assert [one["name"] for one in merged["contexts"]] == ["prod", "seatrial-lab"]
    assert merged["users"][0] == strings(OTHERS)["users"][0]
    enter(cluster)
    assert strings(file.read_text()) == merged
    leave(cluster)
    assert strings(file.read_text()) == strings(OTHERS)
    # And as others take them: true is no text, and the moment is none either.
    assert yaml.safe_load(file.read_text()) == yaml.safe_load(OTHERS)
    before = file.read_bytes()
    leave(cluster)
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["config"]


def test_a_file_that_was_made_for_it_goes_with_it(file: Path) -> None:
    cluster = lab()
    enter(cluster)
    assert file.stat().st_mode & 0o777 == 0o600
    leave(cluster)
    assert not file.exists()


def test_another_context_that_was_chosen_meanwhile_stays_the_current_one(file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(OTHERS)
    one, two = lab("one"), lab("two")
    enter(one)
    enter(two)
    leave(one)
    assert strings(file.read_text())["current-context"] == "two-lab"
    leave(two)
    # That of the first lab has gone with it.
    assert "current-context" not in strings(file.read_text())
    assert strings(file.read_text()) | {"current-context": "prod"} == strings(OTHERS)


def test_a_link_is_kept_and_json_is_a_kubeconfig_as_well(file: Path, tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_text(json.dumps(yaml.safe_load(OTHERS), default=str))
    file.parent.mkdir(parents=True)
    file.symlink_to(real)
    cluster, before = lab(), yaml.safe_load(real.read_text())
    enter(cluster)
    assert yaml.safe_load(file.read_text())["current-context"] == "seatrial-lab"
    leave(cluster)
    assert file.is_symlink()
    assert yaml.safe_load(real.read_text()) == before


@pytest.mark.parametrize(
    "text", ["{", "- a list", "a: b\n---\nc: d\n", "clusters: {a: b}\n", "token: \x01secret\n"]
)
def test_what_cannot_be_read_stays_to_the_byte_and_is_not_quoted(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(text)
    with pytest.raises(EnvironmentFault) as raised:
        enter(lab())
    assert "stays as it is" in raised.value.what
    assert "secret" not in str(raised.value.cause)
    assert file.read_text() == text
    assert [path.name for path in file.parent.iterdir()] == ["config"]


def test_a_lock_of_kubectls_is_waited_for(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.parent.mkdir(parents=True)
    lock = file.with_name("config.lock")
    lock.touch()
    with pytest.raises(EnvironmentFault, match="changed by another program"):
        enter(lab())
    monkeypatch.setattr(kubeconfig, "LOCK_LIMIT_S", 30.0)
    threading.Timer(0.1, lock.unlink).start()
    enter(Cluster())
    assert file.exists()
    assert not lock.exists()


def test_a_clusters_own_kubeconfig_is_left_alone(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = lab()
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    before = cluster.kubeconfig.read_bytes()
    assert "stays as it is" in enter(cluster)
    leave(cluster)
    assert cluster.kubeconfig.read_bytes() == before
