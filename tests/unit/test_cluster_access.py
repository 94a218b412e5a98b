"""Which cluster is meant, and what is said where it is not to be had; nothing of it holds a secret."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import pytest
import yaml
from aiohttp import web
from tests.support.tls_server import Pem, issue

from seatrial.cluster.access import open_again, open_cluster
from seatrial.cluster.connection.kubeconfig import Where, choose
from seatrial.errors import ClusterFault, EnvironmentFault, PlanError, SeatrialError

SECRET = "do-not-show-this"


def config(
    server: str = "https://127.0.0.1:1",
    cluster: Mapping[str, Any] | None = None,
    user: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "clusters": [{"name": "c", "cluster": {"server": server, **(cluster or {})}}],
        "users": [{"name": "u", "user": {"token": SECRET, **(user or {})}}],
        "contexts": [{"name": "one", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "one",
    }


def written(folder: Path, document: Any, name: str = "config") -> Path:
    path = folder / name
    path.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return path


def fault_of(where: Where, kind: type[SeatrialError] = SeatrialError) -> SeatrialError:
    async def run() -> None:
        async with open_cluster(where):
            pass

    with pytest.raises(kind) as raised:
        asyncio.run(run())
    assert SECRET not in "".join(map(str, [raised.value, *raised.value.__notes__]))
    # A bug report would have the chain of causes in it.
    assert raised.value.__suppress_context__ or raised.value.__context__ is None
    return raised.value


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "KUBECONFIG",
        "KUBERNETES_SERVICE_HOST",
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def test_what_is_named_and_not_there_is_the_words_fault(tmp_path: Path) -> None:
    gone = fault_of(Where(str(tmp_path / "gone")), PlanError)
    assert gone.what == f"there is no kubeconfig {tmp_path / 'gone'}"
    path = written(tmp_path, config())
    unknown = fault_of(Where(str(path), "two"), PlanError)
    assert unknown.what == f"{path} has no context two"
    assert unknown.next_step == "give one of its contexts with --context: one"


def test_no_cluster_at_all_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "no cluster is known here" in fault_of(Where(), EnvironmentFault).what
    monkeypatch.setenv("KUBECONFIG", "/nowhere/a:/nowhere/b")
    assert "there is no /nowhere/a and no /nowhere/b" in str(fault_of(Where(), EnvironmentFault).cause)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"token: '{SECRET}\n  x", "is no YAML"),
        (f"- {SECRET}", "is no kubeconfig"),
        (yaml.safe_dump({**config(), "clusters": []}), "is of cluster 'c', which is not there"),
        (yaml.safe_dump({**config(), "users": [{"name": SECRET}]}), "is of user 'u', which is not there"),
        (yaml.safe_dump({**config(), "current-context": ""}), "has no current context"),
        (yaml.safe_dump(config(server="")), "has no server"),
        (yaml.safe_dump(config(user={"client-key": "gone.key"})), "names a client-key that is not there"),
    ],
)
def test_a_kubeconfig_that_is_broken_is_said_to_be(tmp_path: Path, text: str, said: str) -> None:
    assert said in fault_of(Where(str(written(tmp_path, text))), PlanError).what


def test_several_files_are_one_as_for_kubectl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = written(tmp_path, {**config("https://first:1"), "current-context": None}, "first")
    second = written(tmp_path, {**config("https://second:1"), "current-context": "one"}, "second")
    monkeypatch.setenv("KUBECONFIG", f"{first}:/nowhere:{second}")
    chosen = choose(Where())
    assert chosen is not None
    assert (chosen.server, chosen.context, chosen.paths) == ("https://first:1", "one", f"{first}:{second}")


def test_nobody_listening_is_the_environments_fault(tmp_path: Path) -> None:
    fault = fault_of(Where(str(written(tmp_path, config()))), ClusterFault)
    assert (fault.what, fault.cause) == (
        "the API server https://127.0.0.1:1 cannot be reached", "it refuses connections",
    )  # fmt: skip
    assert fault.exit_code == 4


def test_a_name_that_does_not_resolve_and_a_proxy_that_is_away_are_said(tmp_path: Path) -> None:
    path = written(tmp_path, config("https://nowhere.invalid:1"))
    assert fault_of(Where(str(path)), ClusterFault).cause == "its name does not resolve"
    path = written(tmp_path, config(cluster={"proxy-url": f"http://user:{SECRET}@127.0.0.1:1"}))
    assert fault_of(Where(str(path)), ClusterFault).cause == "the proxy in between refuses connections"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        (f"echo {SECRET} >&2; exit 3", "ended with exit status 3"),
        (f"echo {SECRET}", "printed no ExecCredential that can be used"),
        ("", "is not installed, or not in PATH"),
    ],
)
def test_a_credential_program_that_fails_is_named_and_what_it_prints_is_not(
    tmp_path: Path, program: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "get-token"
    if program:
        script.write_text(f"#!/bin/sh\n{program}\n")
        script.chmod(0o755)
    user = {
        "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(script), "args": [SECRET]}
    }
    document = config(user=user)
    del document["users"][0]["user"]["token"]
    fault = fault_of(Where(str(written(tmp_path, document))), ClusterFault)
    assert fault.cause == f"its program get-token {said}"
    printed = capfd.readouterr()
    assert SECRET not in printed.out + printed.err


class Cluster:
    """A TLS server that has a version, and lets in whoever has a certificate of this authority."""

    def __init__(self, pem: Pem, client_ca: Path | None = None) -> None:
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.tls.load_cert_chain(pem.cert, pem.key)
        if client_ca:
            self.tls.verify_mode = ssl.CERT_REQUIRED
            self.tls.load_verify_locations(client_ca)
        self.tokens: list[str] = []

    async def __aenter__(self) -> Self:
        async def version(request: web.Request) -> web.Response:
            self.tokens.append(request.headers.get("Authorization", ""))
            return web.json_response({"gitVersion": "v1.99.0"})

        application = web.Application()
        application.router.add_get("/version", version)
        self.runner = web.AppRunner(application, access_log=None)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0, ssl_context=self.tls)
        await site.start()
        self.url = f"https://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[union-attr]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.runner.cleanup()


def data(file: Path) -> str:
    return base64.b64encode(file.read_bytes()).decode()


def test_a_client_certificate_within_the_kubeconfig_is_used_and_its_key_stays_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    server, client = issue(tmp_path, "127.0.0.1"), issue(tmp_path, "client.example")

    async def run() -> None:
        async with Cluster(server, client.ca) as cluster:
            user = {"client-certificate-data": data(client.cert), "client-key-data": data(client.key)}
            path = written(
                tmp_path, config(cluster.url, {"certificate-authority-data": data(server.ca)}, user)
            )
            # Twice: what the library remembers of the first must not be looked for by the second.
            for _ in range(2):
                async with open_cluster(Where(str(path))) as opened:
                    assert opened.version == "v1.99.0"
                    assert SECRET not in json.dumps(opened.reference)
                async with open_again(opened.reference) as again:
                    assert again.version == "v1.99.0"
                with pytest.raises(ClusterFault, match="leads to"):
                    async with open_again({**opened.reference, "server": "https://other"}):
                        pass
            assert cluster.tokens[0] == f"Bearer {SECRET}"

    asyncio.run(run())
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_server_or_a_client_that_is_not_trusted_is_told_apart(tmp_path: Path) -> None:
    server, other = issue(tmp_path, "127.0.0.1"), issue(tmp_path, "other.example")

    async def fault(url: str, ca: Path, user: Mapping[str, Any] | None = None) -> ClusterFault:
        path = written(tmp_path, config(url, {"certificate-authority": str(ca)}, user))
        with pytest.raises(ClusterFault) as raised:
            async with open_cluster(Where(str(path))):
                pass
        return raised.value

    async def run() -> None:
        async with Cluster(server) as cluster:
            wrong = await fault(cluster.url, other.ca)
            assert str(wrong.cause).startswith("its certificate is not to be trusted: ")
            assert "certificate-authority" in str(wrong.next_step)
        async with Cluster(server, client_ca=other.ca) as cluster:
            stranger = await fault(cluster.url, server.ca)
            assert "client-certificate" in str(stranger.next_step)

    asyncio.run(run())
    mixed = {"client-certificate": str(server.cert), "client-key": str(other.key)}
    path = written(tmp_path, config(cluster={"certificate-authority": str(server.ca)}, user=mixed))
    assert "cannot be used" in fault_of(Where(str(path)), ClusterFault).what


def test_a_server_that_is_reached_by_another_name_is_asked_for_by_the_name_of_its_certificate(
    tmp_path: Path,
) -> None:
    pem = issue(tmp_path, "api.example")

    async def run() -> None:
        async with Cluster(pem) as cluster:
            known = {"certificate-authority": str(pem.ca), "tls-server-name": "api.example"}
            async with open_cluster(Where(str(written(tmp_path, config(cluster.url, known))))) as client:
                assert client.version == "v1.99.0"

    asyncio.run(run())


def test_a_program_gives_a_token_that_is_renewed_before_it_expires(tmp_path: Path) -> None:
    pem = issue(tmp_path, "127.0.0.1")
    script = tmp_path / "get-token"
    script.write_text(
        '#!/bin/sh\necho x >> "$0.calls"\n'
        'expiry=$(date -u -d "+2 seconds" +%Y-%m-%dT%H:%M:%SZ)\n'
        'printf \'{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": '
        '{"token": "%s-%s", "expirationTimestamp": "%s"}}\' '
        f'{SECRET} "$(wc -l < "$0.calls")" "$expiry"\n'
    )
    script.chmod(0o755)

    async def run() -> None:
        async with Cluster(pem) as cluster:
            user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(script)}}
            document = config(cluster.url, {"certificate-authority": str(pem.ca)}, user)
            del document["users"][0]["user"]["token"]
            async with open_cluster(Where(str(written(tmp_path, document)))) as client:
                await asyncio.sleep(1.2)
                await client.get("/version")
            assert cluster.tokens == [f"Bearer {SECRET}-1", f"Bearer {SECRET}-2"]

    asyncio.run(run())


def test_an_id_token_is_used_as_long_as_it_is_valid(tmp_path: Path) -> None:
    pem = issue(tmp_path, "127.0.0.1")

    def user(expires_s: float) -> dict[str, Any]:
        parts = [{"alg": "none"}, {"exp": int(expires_s)}]
        encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
        tokens = {"id-token": ".".join([*encoded, SECRET]), "refresh-token": SECRET, "client-id": "c"}
        provider = {
            "name": "oidc",
            "config": {**tokens, "client-secret": SECRET, "idp-issuer-url": "https://idp.invalid"},
        }
        return {"auth-provider": provider}

    async def run() -> None:
        async with Cluster(pem) as cluster:
            known = {"certificate-authority": str(pem.ca)}
            valid = written(tmp_path, config(cluster.url, known, user(time.time() + 3600)))
            async with open_cluster(Where(str(valid))):
                assert cluster.tokens[0].endswith(SECRET)

    asyncio.run(run())
    fault = fault_of(Where(str(written(tmp_path, config(user=user(time.time() - 1))))), ClusterFault)
    assert fault.cause == "its id-token has expired"


def test_in_a_pod_the_service_account_is_used_and_its_token_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kubernetes_asyncio.config import incluster_config

    pem = issue(tmp_path, "127.0.0.1")
    token = written(tmp_path, SECRET, "token")
    monkeypatch.setattr(incluster_config, "SERVICE_TOKEN_FILENAME", str(token))
    monkeypatch.setattr(incluster_config, "SERVICE_CERT_FILENAME", str(pem.ca))
    assert "is not known from within" in fault_of(Where(in_cluster=True), ClusterFault).what

    async def run() -> None:
        async with Cluster(pem) as cluster:
            monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
            monkeypatch.setenv("KUBERNETES_SERVICE_PORT", cluster.url.rpartition(":")[2])
            async with open_cluster(Where()) as client:
                assert client.reference == {"in_cluster": True, "server": cluster.url}
                token.write_text("another")
                await client.session.renew(client.session.credentials)
                await client.get("/version")
            assert cluster.tokens == [f"Bearer {SECRET}", "Bearer another"]

    asyncio.run(run())


def test_what_is_not_installed_is_said_with_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "kubernetes_asyncio", None)
    fault = fault_of(Where(str(written(tmp_path, config()))), EnvironmentFault)
    assert fault.next_step == "pip install 'seatrial[kubernetes]'"
