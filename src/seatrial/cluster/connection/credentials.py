"""How an API server is reached: its address, whom it is trusted by, and who asks; read by kubernetes_asyncio.

Its messages may hold what a kubeconfig holds, and what an exec program printed: none of them is passed on.
"""

from __future__ import annotations

import logging
import re
import ssl
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from seatrial.errors import ClusterFault, EnvironmentFault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.cluster.connection.kubeconfig import Chosen

FILE_AGE_LIMIT_S = 60.0
"""A token in a file is replaced by whoever keeps it, long before the old one expires; client-go reads it as often."""
EXPIRY_MARGIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a connection needs. ``server`` is without user and password; ``renew_at_s`` is CLOCK_MONOTONIC."""

    server: str
    authorization: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    server_name: str | None = None
    proxy: str | None = field(default=None, repr=False)
    renew_at_s: float | None = None


class _Expired(Exception):
    """An id-token of OpenID Connect is not valid any more."""


async def of_kubeconfig(chosen: Chosen) -> Credentials:
    """Load those of a context; runs its exec program where it has one. Raises ``ClusterFault``."""
    from kubernetes_asyncio.client import Configuration
    from kubernetes_asyncio.config.kube_config import KubeConfigLoader, KubeConfigMerger

    class Loader(KubeConfigLoader):  # type: ignore[misc, unused-ignore]
        """Renews no id-token: the library does so without looking at the identity provider's certificate."""

        async def _refresh_oidc(self, _provider: Any) -> None:
            raise _Expired

    loaded = Configuration()
    with _key_files() as directory:
        try:
            loader = Loader(
                KubeConfigMerger(chosen.paths).config,
                chosen.context,
                config_base_path=None,
                temp_file_path=str(directory),
            )
            await loader.load_and_set(loaded)
            _require_credentials(chosen, loaded)
        except Exception as error:  # noqa: BLE001 - programs, identity providers and files fail in ways of their own
            raise _cannot_load(chosen, error) from None
        tls = _tls(loaded, chosen)
    expiry: datetime | None = getattr(loader, "exec_plugin_expiry", None)
    return Credentials(
        _without_user(str(loaded.host)),
        str(loaded.api_key.get("BearerToken") or ""),
        tls,
        getattr(loaded, "tls_server_name", None),
        chosen.proxy or _proxy_of_environment(str(loaded.host)),
        _renewal(expiry, chosen),
    )


def of_pod() -> Credentials:
    """Load those of the service account of the pod that this is in. Raises ``ClusterFault``."""
    from kubernetes_asyncio.client import Configuration
    from kubernetes_asyncio.config import ConfigException, incluster_config

    loaded = Configuration()
    try:
        loader = incluster_config.InClusterConfigLoader(
            incluster_config.SERVICE_TOKEN_FILENAME, incluster_config.SERVICE_CERT_FILENAME
        )
        loader.load_and_set(loaded)
    except ConfigException:
        raise ClusterFault(
            "the cluster that this process runs on is not known from within",
            cause="KUBERNETES_SERVICE_HOST, or the service account's token or certificate, is not there",
            next_step="give --kubeconfig, or run in a pod with a service account (automountServiceAccountToken)",
        ) from None
    tls = ssl.create_default_context(cafile=str(loaded.ssl_ca_cert))
    token = str(loaded.api_key.get("BearerToken") or "")
    return Credentials(str(loaded.host), token, _lenient(tls), renew_at_s=time.monotonic() + FILE_AGE_LIMIT_S)


def require_kubernetes() -> None:
    """Raise ``EnvironmentFault`` where what this package needs is not installed."""
    try:
        import aiohttp  # noqa: F401
        import kubernetes_asyncio  # noqa: F401
    except ImportError as missing:
        raise EnvironmentFault(
            f"Seatrial's part for Kubernetes is not installed: {missing.name} is missing",
            cause="it is an extra, for those who need it",
            next_step="pip install 'seatrial[kubernetes]'",
        ) from None


def _tls(loaded: Any, chosen: Chosen) -> ssl.SSLContext | None:
    if not str(loaded.host).startswith("https"):
        return None
    try:
        context = ssl.create_default_context(cafile=loaded.ssl_ca_cert)
        if loaded.cert_file:
            context.load_cert_chain(loaded.cert_file, loaded.key_file)
    except (ssl.SSLError, OSError) as error:
        why = error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise ClusterFault(
            f"the certificates of context {chosen.context} cannot be used",
            cause=f"a certificate or key is broken, or the two do not belong together ({why})",
            next_step=f"look at certificate-authority, client-certificate and client-key in {chosen.paths}",
        ) from None
    if not loaded.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return _lenient(context)


def _lenient(context: ssl.SSLContext) -> ssl.SSLContext:
    # From Python 3.13 on certificates must be to the letter of RFC 5280, which those that clusters make are not.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


@contextmanager
def _key_files() -> Iterator[Path]:
    """Give kubernetes_asyncio a place for the keys that a kubeconfig holds: OpenSSL reads files only.

    They are gone as soon as they are read, and so is what it remembers of them, or it would not write them again.
    """
    from kubernetes_asyncio.config import kube_config

    # It logs what an exec program printed, and where nobody has asked for logs Python prints errors.
    logging.getLogger("kubernetes_asyncio").addHandler(logging.NullHandler())
    remembered: dict[str, str] = kube_config._temp_files
    with tempfile.TemporaryDirectory(prefix="seatrial-") as name:
        try:
            yield Path(name)
        finally:
            for content in [content for content, path in remembered.items() if path.startswith(name)]:
                del remembered[content]


def _cannot_load(chosen: Chosen, error: Exception) -> ClusterFault:
    what = f"the credentials of context {chosen.context} cannot be had"
    if isinstance(error, _Expired):
        return ClusterFault(
            what,
            cause="its id-token has expired",
            next_step=f"have kubectl renew it in the kubeconfig: kubectl --context {chosen.context} auth whoami",
        )
    if chosen.program is None:
        return ClusterFault(
            what,
            cause=f"its user in {chosen.paths} is not usable ({type(error).__name__})",
            next_step=f"try `kubectl --context {chosen.context} auth whoami`, and log in again where that fails, too",
        )
    found = re.match(r"exec: process returned (-?\d+)", str(error))
    why = (
        "is not installed, or not in PATH"
        if isinstance(error, FileNotFoundError)
        else f"ended with exit status {found[1]}"
        if found
        else "printed no ExecCredential that can be used"
    )
    return ClusterFault(
        what,
        cause=f"its program {chosen.program} {why}",
        next_step="run it by hand (users[].user.exec in the kubeconfig), and log in again where it asks for that",
    )


def _require_credentials(chosen: Chosen, loaded: Any) -> None:
    # It only logs that a program gave nothing.
    if chosen.program is not None and not loaded.api_key.get("BearerToken") and not loaded.key_file:
        raise ValueError("neither a token nor a certificate")


def _renewal(expiry: datetime | None, chosen: Chosen) -> float | None:
    if expiry is not None:
        left_s = (expiry - datetime.now(UTC)).total_seconds()
        # One that lives for less than twice the margin is renewed at half of its life.
        return time.monotonic() + max(left_s / 2, left_s - EXPIRY_MARGIN_S)
    return time.monotonic() + FILE_AGE_LIMIT_S if chosen.has_token_file else None


def _proxy_of_environment(server: str) -> str | None:
    """Return what HTTPS_PROXY, HTTP_PROXY and NO_PROXY say of a server, looked up once: kubectl obeys them, too."""
    parts = urlsplit(server)
    if not parts.hostname or urllib.request.proxy_bypass(parts.hostname):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def _without_user(server: str) -> str:
    parts = urlsplit(server)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])).rstrip("/")
