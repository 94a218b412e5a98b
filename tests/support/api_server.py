"""A real Kubernetes API server over a real etcd, on 127.0.0.1: the judge of what our client does.

No node, no scheduler, no controllers: objects are kept, watched and guarded by rights, and nothing comes of them.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml
from tests.support.tls_server import issue

BUILT = Path(os.environ.get("SEATRIAL_CLUSTER_CACHE") or Path.home() / ".cache/seatrial-cluster") / "bin"
PROGRAMS = ("etcd", "kube-apiserver")
START_LIMIT_S = 90.0
ADMIN = "admin"
USERS = tuple(f"user-{number}" for number in range(6))
"""Known to it, with no rights but those that a test gives them."""


def binary(name: str) -> Path | None:
    """Return where a program is: in the folder that SEATRIAL_CLUSTER_BIN names, or built by `make cluster`."""
    named = os.environ.get("SEATRIAL_CLUSTER_BIN")
    found = [Path(named) / name] if named else sorted(BUILT.glob(f"{name}-v*"))
    return next((path for path in reversed(found) if os.access(path, os.X_OK)), None)


def require_binaries() -> None:
    """Skip the test, saying what to do, where the programs are not built."""
    if missing := [name for name in PROGRAMS if binary(name) is None]:
        how = "`make cluster` does, or SEATRIAL_CLUSTER_BIN names their folder"
        pytest.skip(f"not built: {', '.join(missing)} ({how})")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class ApiServer:
    """One of each, in a folder of their own; :meth:`start` and :meth:`kill` are of the API server only.

    With ``audits`` it writes down every call that it answers, which :meth:`audit` reads.
    """

    folder: Path
    audits: bool = False
    port: int = field(default_factory=free_port)
    etcd_port: int = field(default_factory=free_port)
    etcd_peer_port: int = field(default_factory=free_port)
    etcd_prefix: str = "/registry"
    has_etcd: bool = True
    """Whether etcd is its own, to be started and ended with it."""
    _running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    # What is to end with its parent ends with the thread that started it: this one lives as long as the server.
    _starter: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1))

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig with a context for each user, named after them; the current one is the administrator's."""
        return self.folder / "kubeconfig"

    def token(self, user: str) -> str:
        """Return a user's secret."""
        return f"secret-token-of-{user}"

    def set_up(self) -> None:
        """Make its certificates and users, and start both."""
        self.pem = issue(self.folder, "127.0.0.1", "localhost")
        rows = [f'{self.token(ADMIN)},{ADMIN},0,"system:masters"']
        rows += [f"{self.token(user)},{user},{number}" for number, user in enumerate(USERS, 1)]
        (self.folder / "tokens.csv").write_text("\n".join(rows) + "\n")
        self.kubeconfig.write_text(yaml.safe_dump(self.config()))
        policy = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]}
        policy["omitStages"] = ["RequestReceived", "ResponseStarted"]
        (self.folder / "audit.yaml").write_text(yaml.safe_dump(policy))
        if self.has_etcd:
            self._run("etcd", *self._etcd_flags())
            self._wait(f"http://127.0.0.1:{self.etcd_port}/health")
        self.start()

    @contextmanager
    def second(self, name: str = "second") -> Iterator[ApiServer]:
        """Have another API server on the same etcd meanwhile: objects of its own, the same users; 3 s, 300 MiB."""
        folder = self.folder / name
        folder.mkdir()
        other = ApiServer(folder, etcd_port=self.etcd_port, etcd_prefix=f"/{name}", has_etcd=False)
        try:
            other.set_up()
            yield other
        finally:
            other.tear_down()

    def config(self) -> dict[str, Any]:
        """Return the kubeconfig as it is written."""
        users = (ADMIN, *USERS)
        cluster = {"server": self.url, "certificate-authority": str(self.pem.ca)}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": self.token(user)}} for user in users],
            "contexts": [{"name": user, "context": {"cluster": "test", "user": user}} for user in users],
            "current-context": ADMIN,
        }

    def start(self) -> None:
        """Start the API server and wait until it is ready."""
        self._run("kube-apiserver", *self._flags())
        self._wait(f"{self.url}/readyz")

    def audit(self) -> list[dict[str, Any]]:
        """Return the entries of its audit log: every call that it has answered in full, in that order."""
        # The last line may be half written.
        whole, _, _ = self._audit_log.read_text().rpartition("\n")
        return [json.loads(line) for line in whole.splitlines()]

    @property
    def _audit_log(self) -> Path:
        return self.folder / "audit.log"

    def kill(self) -> None:
        """End the API server at once, as a crash would."""
        self._end("kube-apiserver", signal.SIGKILL)

    def tear_down(self) -> None:
        """End both."""
        for name in reversed(PROGRAMS):
            self._end(name, signal.SIGKILL)
        self._starter.shutdown()

    def _end(self, name: str, number: int) -> None:
        if (process := self._running.pop(name, None)) is not None:
            process.send_signal(number)
            process.wait(10)

    def _run(self, name: str, *flags: str) -> None:
        # It ends with the tests, however they end.
        command = [shutil.which("setpriv") or "setpriv", "--pdeathsig", "KILL", str(binary(name)), *flags]
        with (self.folder / f"{name}.log").open("ab") as log:
            started = self._starter.submit(
                subprocess.Popen[bytes], command, stdin=log, stdout=log, stderr=log
            )
            self._running[name] = started.result()

    def _wait(self, url: str) -> None:
        import ssl

        context = ssl.create_default_context(cafile=str(self.pem.ca)) if url.startswith("https") else None
        deadline_s = time.monotonic() + START_LIMIT_S
        while time.monotonic() < deadline_s:
            try:
                with urlopen(url, timeout=5, context=context) as answer:
                    if answer.status == 200:
                        return
            except OSError:
                pass
            for name, process in self._running.items():
                assert process.poll() is None, (self.folder / f"{name}.log").read_text()[-2000:]
            time.sleep(0.05)
        raise AssertionError(f"{url} is not ready within {START_LIMIT_S:g} s")

    def _etcd_flags(self) -> list[str]:
        client, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{self.etcd_peer_port}"
        return [
            f"--data-dir={self.folder / 'etcd'}", "--unsafe-no-fsync", "--log-level=warn",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
        ]  # fmt: skip

    def _flags(self) -> list[str]:
        audit = [f"--audit-policy-file={self.folder / 'audit.yaml'}", f"--audit-log-path={self._audit_log}"]
        return [
            *(audit if self.audits else []),
            f"--etcd-servers=http://127.0.0.1:{self.etcd_port}", f"--etcd-prefix={self.etcd_prefix}",
            "--bind-address=127.0.0.1", f"--secure-port={self.port}",
            "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none", f"--tls-cert-file={self.pem.cert}",
            f"--tls-private-key-file={self.pem.key}", f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--authorization-mode=RBAC", "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-signing-key-file={self.pem.key}", f"--service-account-key-file={self.pem.cert}",
            "--service-cluster-ip-range=10.96.0.0/16", "--disable-admission-plugins=ServiceAccount",
            f"--cert-dir={self.folder / 'certs'}",
        ]  # fmt: skip


@contextmanager
def api_server(folder: Path, *, audits: bool = False) -> Iterator[ApiServer]:
    """Have one run meanwhile: about 3 s, 300 MiB."""
    require_binaries()
    folder.mkdir(parents=True, exist_ok=True)
    server = ApiServer(folder, audits)
    try:
        server.set_up()
        yield server
    finally:
        server.tear_down()


def config_map(name: str, namespace: str = "default", **data: str) -> dict[str, Any]:
    """Return the least object that there is."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": data or {"key": "value"},
    }


def text_of(document: Any) -> str:
    """Return everything that is in a document, to look for what should not be."""
    return json.dumps(document, default=str)
