"""How a call can end without an answer, in words."""

from __future__ import annotations

import errno
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import aiohttp

from seatrial.cluster.faults import broken, unreachable

if TYPE_CHECKING:
    from seatrial.errors import ClusterFault

CONNECT_LIMIT_S = 10.0
BREAKS = (aiohttp.ClientError, TimeoutError, OSError)
"""What a call can end with that has no answer."""
_WAY = "see whether the cluster is up and this machine has a way to it (VPN, firewall): kubectl get --raw /readyz"
_ADDRESS = "look at the cluster's server in the kubeconfig: kubectl config view --minify"
_CA = (
    "have certificate-authority in the kubeconfig be this cluster's: one that was made anew has another; "
    "tls-server-name is for servers that are reached by another name"
)
_LOGIN = "log in again, or look at client-certificate in the kubeconfig: it may have expired, or be another cluster's"
_PROXY = "look at proxy-url in the kubeconfig, and at HTTPS_PROXY and NO_PROXY"


@dataclass(frozen=True, slots=True)
class Break:
    """How a call broke: a word to count by, what to say, and whether the server can have had it.

    ``is_lasting`` where trying again is of no use: a certificate stays what it is.
    """

    kind: str
    fault: ClusterFault
    was_sent: bool
    is_lasting: bool = False


def how_it_broke(
    server: str, asked: str, error: BaseException, limit_s: float | None = None, *, is_read: bool = False
) -> Break:
    """Return how a call to a server broke; ``asked`` is what was asked, within ``limit_s``."""
    before = _before_it_was_sent(server, error)
    if before is not None:
        return before
    if isinstance(error, TimeoutError):
        within = f" within {limit_s:g} s" if limit_s else " in time"
        return Break("timeout", broken(asked, f"no answer{within}", is_unknown=not is_read), was_sent=True)
    return Break("broken", broken(asked, "the connection broke", is_unknown=not is_read), was_sent=True)


def never_answered(server: str) -> ClusterFault:
    """Return what to say of a server that takes connections, and has ended each without a word."""
    cause = "it ends connections without an answer, as one does that wants another protocol or certificate"
    return unreachable(server, cause, _LOGIN)


def _before_it_was_sent(server: str, error: BaseException) -> Break | None:
    """Return why no connection came about; None where one did."""
    kind, is_lasting = "refused", False
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        certificate = error.certificate_error
        why = getattr(certificate, "verify_message", "") or type(certificate).__name__
        kind, is_lasting, words = "certificate", True, (f"its certificate is not to be trusted: {why}", _CA)
    elif isinstance(error, aiohttp.ClientConnectorDNSError):
        words = "its name does not resolve", _ADDRESS
    elif isinstance(error, aiohttp.ClientConnectorSSLError | ssl.SSLError):
        kind, is_lasting, words = "tls", True, ("it speaks no TLS, or none that this machine knows", _LOGIN)
    elif isinstance(error, aiohttp.ClientConnectorError):
        words = _why_not_connected(error), _WAY
    elif isinstance(error, aiohttp.ClientHttpProxyError):
        kind, is_lasting, words = "proxy", True, (f"the proxy in between answers {error.status}", _PROXY)
    elif isinstance(error, aiohttp.ConnectionTimeoutError):
        words = f"no connection came about within {CONNECT_LIMIT_S:g} s", _WAY
    elif isinstance(error, ValueError):
        kind, is_lasting, words = "address", True, ("its address, or the proxy's, cannot be used", _ADDRESS)
    else:
        return None
    return Break(kind, unreachable(server, *words), was_sent=False, is_lasting=is_lasting)


def _why_not_connected(error: aiohttp.ClientConnectorError) -> str:
    by = "the proxy in between" if isinstance(error, aiohttp.ClientProxyConnectionError) else "it"
    if error.os_error.errno == errno.ECONNREFUSED:
        return f"{by} refuses connections"
    return f"{by} cannot be connected to: {str(error.os_error.strerror or 'no connection').lower()}"
