"""The parts of a cluster that need no cluster: names, certificates, builds, processes, control groups."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.networks import need_root
from tools.cluster import build, cgroups, debian, layout, processes
from tools.cluster.access import certificates
from tools.cluster.layout import Cluster
from tools.cluster.processes import Daemon
from tools.cluster.programs import BUILT, NEEDED, Program
from tools.cluster.remains import scan

from seatrial.errors import EnvironmentFault, PlanError, SeatrialError
from seatrial.machine import proc
from seatrial.machine.namespace import Namespace

LINK_NAME_LIMIT = 15


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Return one that was never started, in a cache of its own."""
    monkeypatch.setenv(layout.CACHE_VARIABLE, str(tmp_path))
    return Cluster(f"parts-{os.getpid()}")


def openssl(*words: str) -> str:
    done = subprocess.run(["openssl", *words], check=False, capture_output=True, text=True)
    return done.stdout + done.stderr


def test_two_clusters_share_no_name_that_is_seen_outside() -> None:
    one, two = Cluster("a"), Cluster("a-b")
    for cluster in (one, two):
        assert len(cluster.host_link) <= LINK_NAME_LIMIT
        assert (
            len({node.address for node in cluster.nodes})
            == len({node.pod_network for node in cluster.nodes})
            == 3
        )
    seen = [
        {
            c.host_link,
            c.host_address,
            c.api_address,
            c.cgroup,
            str(c.home),
            *(space.name for space in c.namespaces),
        }
        for c in (one, two)
    ]
    assert not seen[0] & seen[1]


@pytest.mark.parametrize("name", ["", "A", "a b", "../a", "a" * 31, "-a"])
def test_a_name_that_could_be_no_folder_or_namespace_is_refused(name: str) -> None:
    with pytest.raises(PlanError):
        Cluster(name)


def test_a_cache_that_the_nodes_would_not_see_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(layout.CACHE_VARIABLE, "/var/lib/seatrial")
    with pytest.raises(EnvironmentFault) as raised:
        layout.cache()
    assert layout.CACHE_VARIABLE in str(raised.value.next_step)


def test_openssl_believes_every_certificate_for_what_it_is_for(cluster: Cluster) -> None:
    certificates.make(cluster)
    ca = str(cluster.pki / "ca.crt")
    servers = ["apiserver", *(f"{node.name}-kubelet-server" for node in cluster.nodes)]
    clients = [*certificates.CLIENTS, *(f"{node.name}-kubelet" for node in cluster.nodes)]
    assert sorted({path.stem for path in cluster.pki.glob("*.crt")}) == sorted(["ca", *servers, *clients])
    for purpose, names in (("sslserver", servers), ("sslclient", clients)):
        for name in names:
            said = openssl("verify", "-CAfile", ca, "-purpose", purpose, str(cluster.pki / f"{name}.crt"))
            assert said.endswith(": OK\n"), said
    said = openssl("verify", "-CAfile", ca, "-purpose", "sslserver", str(cluster.pki / "admin.crt"))
    assert "unsuitable certificate purpose" in said
    for address in (cluster.api_address, layout.API_SERVICE_ADDRESS):
        verified = ("verify", "-CAfile", ca, "-verify_ip", address, str(cluster.pki / "apiserver.crt"))
        assert openssl(*verified).endswith(": OK\n")


def test_the_second_time_certificates_stay_and_keys_are_nobody_elses(cluster: Cluster) -> None:
    certificates.make(cluster)
    first = {path: path.read_bytes() for path in cluster.pki.iterdir()}
    certificates.make(cluster)
    assert {path: path.read_bytes() for path in cluster.pki.iterdir()} == first
    assert {path.stat().st_mode & 0o077 for path in cluster.pki.glob("*.key")} == {0}
    assert json.loads(cluster.kubeconfig.read_text())["clusters"][0]["cluster"]["server"] == cluster.api_url


def test_the_siblings_of_kubernetes_are_replaced_by_what_is_published(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "given.mod"
    given.write_text(
        "module k8s.io/kubernetes\n\ngo 1.24.0\n\ngodebug default=go1.24\n\nrequire k8s.io/api v0.0.0\n\n"
        "replace (\n\tk8s.io/api => ./staging/src/k8s.io/api\n\tother.org/x => other.org/y v1.0.0\n)\n"
    )
    fetched = {"Dir": str(tmp_path), "GoMod": str(given)}
    monkeypatch.setattr(build, "_download", lambda _: fetched)
    kubelet = BUILT["kubelet"]
    module = build._module(kubelet)
    text = (module / "go.mod").read_text()
    assert f"\tk8s.io/api => k8s.io/api {kubelet.version.replace('v1.', 'v0.', 1)}\n" in text
    assert f"require k8s.io/kubernetes {kubelet.version}\n" in text
    assert "godebug default=go1.24\n" in text
    assert "other.org" not in text
    # All of Kubernetes is built in one module, so that what they share is compiled once.
    assert {build._module(BUILT[name]) for name in NEEDED if name.startswith("kube")} == {module}


def test_without_go_a_build_says_how_to_get_it(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(EnvironmentFault) as raised:
        build.build(["etcd"], print)
    assert "there is no go" in str(raised.value.cause)
    assert "go.dev" in str(raised.value.next_step)


COMPILER = "main.go:3:1: syntax error"
PROXY = 'go: k8s.io/api@v0.34.4: Get "https://proxy.example.com/": dial tcp: lookup proxy.example.com: no such host'


def go_that(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a program of the test be what `go` is."""
    tool = tmp_path / "tools/go"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\n{text}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("said", "fault", "code"), [(COMPILER, build.BuildFault, 1), (PROXY, EnvironmentFault, 4)]
)
def test_a_build_that_fails_ends_with_what_go_said_and_whose_fault_it_is(
    said: str,
    fault: type[SeatrialError],
    code: int,
    cluster: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_that(f"echo '{said}' >&2; exit 1", tmp_path, monkeypatch)
    monkeypatch.setattr(build, "_module", lambda _: tmp_path)
    with pytest.raises(fault) as raised:
        build.build(["etcd"], print)
    assert said in str(raised.value.cause)
    assert not build.path_of(BUILT["etcd"]).exists()
    # And as `.ci/run` hears of it, where already the module cannot be fetched.
    done = subprocess.run(
        [sys.executable, "-m", "tools.cluster", "build", "--needed"],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == code
    assert said in done.stderr


def test_a_build_that_takes_too_long_ends_with_all_that_it_started_and_goes_on_when_it_is_called_again(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = f"600.{os.getpid()}"
    go_that(f'touch {tmp_path}/began; [ -e {tmp_path}/fast ] && touch "$3" || {{ sleep {mark} & sleep {mark}; }}',
            tmp_path, monkeypatch)  # fmt: skip
    monkeypatch.setattr(build, "_module", lambda _: tmp_path)
    monkeypatch.setattr(build, "TOLD_EVERY_S", 0.2)
    said: list[str] = []
    with pytest.raises(EnvironmentFault, match="the time for it is over"):
        build.build(["etcd", "coredns"], said.append, within_s=1.0)
    assert (tmp_path / "began").exists()
    assert [pid for pid in proc.all_pids() if mark in proc.command_line(pid)] == []
    assert "etcd: 0 s so far" in said
    (tmp_path / "fast").touch()
    build.build(["etcd"], said.append, within_s=30.0)
    build.build(["etcd", "coredns"], said.append, within_s=30.0)
    assert [line for line in said if line.startswith("built")] == [
        f"built etcd {BUILT['etcd'].version} (1 of 1) in 0 s",
        f"built coredns {BUILT['coredns'].version} (1 of 1) in 0 s",
    ]


def test_a_build_beside_another_waits_for_it_and_not_for_ever(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_that("exit 1", tmp_path, monkeypatch)
    with layout.alone("build"), pytest.raises(EnvironmentFault, match="another command was at work on build"):
        build.build(["etcd"], print, within_s=0.1)


def test_a_program_is_named_by_its_version(cluster: Cluster) -> None:
    one, two = (Program("etcd", "example.org/etcd", version) for version in ("v1.0.0", "v1.0.1"))
    assert build.path_of(one) != build.path_of(two)


def test_what_debian_lacks_is_asked_for_by_package(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debian, "_folders", lambda: ("/nowhere",))
    monkeypatch.setattr(debian, "UNPACK", Path("/bin/true"))
    with pytest.raises(EnvironmentFault) as raised:
        debian.provide(print)
    assert "apt-get install --no-install-recommends" in str(raised.value.next_step)
    assert "containernetworking-plugins" in str(raised.value.next_step)


@pytest.fixture
def network(cluster: Cluster):
    need_root()
    name = cluster.control.name
    subprocess.run(["ip", "netns", "add", name], check=True)
    yield cluster.control
    processes.kill(lambda: set(processes.recorded(cluster).values()))
    subprocess.run(["ip", "netns", "delete", name], check=True)


def daemon(network: Namespace, text: str, ready: Path) -> Daemon:
    return Daemon("tried", ("/bin/sh", "-c", text), network, ready.exists, limit_s=20.0)


def test_a_daemon_is_started_once_and_ends_only_by_its_own_pid(
    cluster: Cluster, network: Namespace, tmp_path: Path
) -> None:
    tried = daemon(network, f"touch {tmp_path}/ready; exec sleep 600", tmp_path / "ready")
    assert processes.run(cluster, tried) is True
    pid = processes.pid_of(cluster, "tried")
    assert pid is not None
    assert network.pids() == (pid,)
    assert any(line.startswith(f"process {pid}: ") for line in scan(cluster))
    assert processes.run(cluster, tried) is False
    assert processes.pid_of(cluster, "tried") == pid
    # A process that has got the same id since then is somebody else's.
    record = cluster.home / "processes/tried.json"
    written = json.loads(record.read_text())
    record.write_text(json.dumps({**written, "started_ticks": written["started_ticks"] - 1}))
    assert processes.recorded(cluster) == {}
    record.write_text(json.dumps(written))
    assert processes.kill(lambda: set(processes.recorded(cluster).values())) == set()
    assert network.pids() == ()


def test_a_daemon_that_ends_is_an_error_with_the_end_of_its_log(
    cluster: Cluster, network: Namespace, tmp_path: Path
) -> None:
    tried = daemon(network, "echo first; echo 'no such flag: --wrong' >&2; exit 2", tmp_path / "never")
    with pytest.raises(EnvironmentFault) as raised:
        processes.run(cluster, tried)
    assert "no such flag: --wrong" in str(raised.value.cause)
    assert str(processes.log_of(cluster, "tried")) in str(raised.value.next_step)


def test_a_daemon_that_may_watch_no_more_files_says_which_limit_it_is(
    cluster: Cluster, network: Namespace, tmp_path: Path
) -> None:
    tried = daemon(network, "echo 'failed complete: too many open files' >&2; exit 1", tmp_path / "never")
    with pytest.raises(EnvironmentFault) as raised:
        processes.run(cluster, tried)
    assert "fs.inotify.max_user_instances" in str(raised.value.next_step)


def test_a_daemon_that_is_not_ready_in_time_is_an_error(
    cluster: Cluster, network: Namespace, tmp_path: Path
) -> None:
    tried = Daemon("tried", ("/bin/sleep", "600"), network, lambda: False, limit_s=0.5)
    with pytest.raises(EnvironmentFault, match=r"not within 0\.5 s"):
        processes.run(cluster, tried)


def test_a_control_group_takes_processes_and_goes_with_all_below(cluster: Cluster) -> None:
    need_root()
    path = f"{cluster.cgroup}/load"
    try:
        cgroups.make(path)
        groups = cgroups.folders(path)
        assert groups
        sleeper = subprocess.Popen(["sleep", "600"])
        try:
            # In v1 a group without CPUs takes nobody; a kubelet makes one below.
            for group in groups:
                (group / "inner").mkdir()
                (group / "cgroup.procs").write_text(str(sleeper.pid))
            assert cgroups.members(cluster.cgroup) == {sleeper.pid}
        finally:
            sleeper.kill()
            sleeper.wait()
        assert [line for line in scan(cluster) if line.startswith("control group ")]
    finally:
        cgroups.remove(cluster.cgroup)
    assert cgroups.folders(cluster.cgroup) == []
    assert scan(cluster) == []


def test_the_command_line_says_what_is_wrong_in_words(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.cluster", "status", "--name", "Not A Name"],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 2
    assert "error: 'Not A Name' is no name for a cluster" in done.stderr
    assert "Traceback" not in done.stderr
