"""How asking a Prometheus can end without an answer, in words: whose fault it is, why, and what to do."""

from __future__ import annotations

import os
import ssl

from seatrial.errors import EnvironmentFault, PlanError, SeatrialError

_WAY = "see whether it is up and this machine has a way to it (VPN, firewall): curl {}/-/ready"
_PASS = "in `prometheus` of the plan: `bearer_token_file`, or `username` and `password_file`"
# Of the errors of its API these are about what was asked.
_OF_QUERY = {"bad_data", "execution"}


class NoSuchPath(EnvironmentFault):
    """It answers, and not to this path."""


class BadQuery(PlanError):
    """It does not understand what it is asked, or cannot work it out."""


def no_certificates(file: str, error: OSError) -> EnvironmentFault:
    """Return what to say of a file without certificates."""
    cause = "it holds no certificate in PEM" if isinstance(error, ssl.SSLError) else error.strerror
    return EnvironmentFault(
        f"the certificates to trust cannot be read from {file}",
        cause=cause,
        next_step="`ca_file` in the plan",
    )


def not_reached(url: str, error: BaseException, limit_s: float) -> EnvironmentFault:
    """Return what to say where a call ended without an answer."""
    import aiohttp

    next_step = _WAY.format(url)
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        next_step = "have `ca_file` in `prometheus` of the plan be the file of who signed it"
    elif isinstance(error, aiohttp.ClientConnectorSSLError | ssl.SSLError):
        next_step = "see whether it is `http://` or `https://`"
    return EnvironmentFault(
        f"Prometheus at {url} is not reached", cause=cause_of(error, limit_s), next_step=next_step
    )


def cause_of(error: BaseException, limit_s: float) -> str:
    """Return why a call of aiohttp ended without an answer."""
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not trusted: {error.certificate_error}"
    if isinstance(error, aiohttp.ClientConnectorSSLError | ssl.SSLError):
        return "no TLS could be agreed on with it"
    if isinstance(error, aiohttp.ClientConnectorError):
        return os.strerror(number) if (number := error.os_error.errno or 0) > 0 else "its name is not known"
    return f"no answer within {limit_s:g} s" if isinstance(error, TimeoutError) else "the connection broke"


def not_let_in(url: str, status: int) -> EnvironmentFault:
    """Return what to say where it lets nobody in."""
    cause = "it wants a password or a token" if status == 401 else "what it was given does not allow that"
    return EnvironmentFault(f"Prometheus at {url} lets nobody in so ({status})", cause=cause, next_step=_PASS)


def too_much(url: str, limit_bytes: int) -> BadQuery:
    """Return what to say where an answer is larger than is read."""
    return BadQuery(
        f"Prometheus at {url} answers with more than {limit_bytes >> 20} MiB",
        cause="the query yields too many series",
        next_step="aggregate them, such as with `sum(...)` or `topk(10, ...)`",
    )


def no_api(url: str, status: int, location: str | None, path: str) -> SeatrialError:
    """Return what to say of an answer that is none of the API."""
    if 300 <= status < 400 and location:
        return EnvironmentFault(
            f"Prometheus at {url} sends elsewhere, to {location.partition('?')[0][:200]}",
            cause="a password or a token for one place is not taken to another",
            next_step="give the place itself as the URL in `prometheus`",
        )
    if status in {404, 405, 501}:
        return NoSuchPath(
            f"{url} answers {status} to /api/v1/{path}",
            cause="it is no Prometheus, or the path before /api/v1 is missing",
            next_step="give the whole URL in `prometheus`, such as `http://mimir/prometheus`",
        )
    if status >= 500:
        return EnvironmentFault(
            f"Prometheus at {url} answers {status}",
            cause="it, or what is in front of it, is overloaded or starting",
            next_step=_WAY.format(url),
        )
    return EnvironmentFault(
        f"{url} answers {status} to /api/v1/{path}, and not as Prometheus does",
        cause="it is no Prometheus",
        next_step="look at the URL in `prometheus` of the plan",
    )


def refused(url: str, status: int, kind: str, words: str) -> SeatrialError:
    """Return what to say of an error of the API: the plan's where the question is wrong, else the environment's."""
    if kind in _OF_QUERY:
        return BadQuery(words, cause="Prometheus does not understand it or cannot work it out")
    if kind == "not_found" or status == 404:
        return NoSuchPath(f"Prometheus at {url} has not what was asked for: {words}")
    return EnvironmentFault(
        f"Prometheus at {url} has no answer: {words}",
        cause=f"an error of the kind `{kind}`",
        next_step="look at its log, and at its limits for queries (`--query.timeout`)",
    )
