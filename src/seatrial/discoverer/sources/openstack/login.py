"""Who asks an OpenStack cloud, as its clients' environment variables say it, and the token that it gets for that.

Source: OpenStack's Identity API reference v3, "Password authentication with scoped authorization" and "Authenticating
with an Application Credential"; the variables are those of openstackclient.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from seatrial.errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Mapping

_DEFAULT_DOMAIN = "Default"


@dataclass(frozen=True, slots=True)
class Login:
    """Where to ask for a token, and with what; ``region`` is empty where any will do."""

    auth_url: str
    body: Mapping[str, Any] = field(repr=False)
    region: str = ""
    interface: str = "public"


@dataclass(frozen=True, slots=True)
class Token:
    """A token, and where the cloud's services are; ``load_balancer`` is below ``/v2/lbaas``."""

    value: str = field(repr=False)
    identity: str
    load_balancer: str


def login_of(environment: Mapping[str, str]) -> Login:
    """Return what the environment says; raises ``PlanError`` where something is missing."""
    url = environment.get("OS_AUTH_URL", "").rstrip("/")
    if not url:
        raise _missing("OS_AUTH_URL")
    if not url.endswith("/v3"):
        url += "/v3"
    auth = (
        _credential(environment)
        if "OS_APPLICATION_CREDENTIAL_SECRET" in environment
        else _password(environment)
    )
    interface = environment.get("OS_INTERFACE", "public").removesuffix("URL")
    return Login(url, {"auth": auth}, environment.get("OS_REGION_NAME", ""), interface)


def token_of(value: str, document: Mapping[str, Any], login: Login) -> Token:
    """Return a token with the endpoints that its catalogue has; raises ``ValueError`` without one of Octavia's."""
    found: dict[str, str] = {}
    for service in document["token"].get("catalog") or ():
        for endpoint in service["endpoints"]:
            fits = not login.region or endpoint.get("region_id", endpoint.get("region")) == login.region
            if fits and endpoint["interface"] == login.interface:
                found.setdefault(service["type"], endpoint["url"].rstrip("/"))
    if "load-balancer" not in found:
        raise ValueError("its catalogue has no load-balancer service, or none in this region")
    octavia = found["load-balancer"].removesuffix("/v2.0").removesuffix("/v2")
    return Token(value, login.auth_url, f"{octavia}/v2/lbaas")


def _credential(environment: Mapping[str, str]) -> dict[str, Any]:
    given: dict[str, Any] = {"secret": environment["OS_APPLICATION_CREDENTIAL_SECRET"]}
    if "OS_APPLICATION_CREDENTIAL_ID" in environment:
        given["id"] = environment["OS_APPLICATION_CREDENTIAL_ID"]
    else:
        given["name"] = _required(environment, "OS_APPLICATION_CREDENTIAL_NAME")
        given["user"] = _user(environment)
    return {"identity": {"methods": ["application_credential"], "application_credential": given}}


def _password(environment: Mapping[str, str]) -> dict[str, Any]:
    user = _user(environment) | {"password": _required(environment, "OS_PASSWORD")}
    if "OS_PROJECT_ID" in environment:
        project: dict[str, Any] = {"id": environment["OS_PROJECT_ID"]}
    else:
        name = environment.get("OS_PROJECT_NAME") or environment.get("OS_TENANT_NAME")
        if not name:
            raise _missing("OS_PROJECT_NAME")
        project = {"name": name, "domain": _domain(environment, "OS_PROJECT_DOMAIN")}
    return {
        "identity": {"methods": ["password"], "password": {"user": user}},
        "scope": {"project": project},
    }


def _user(environment: Mapping[str, str]) -> dict[str, Any]:
    if "OS_USER_ID" in environment:
        return {"id": environment["OS_USER_ID"]}
    return {
        "name": _required(environment, "OS_USERNAME"),
        "domain": _domain(environment, "OS_USER_DOMAIN"),
    }


def _domain(environment: Mapping[str, str], of: str) -> dict[str, str]:
    if f"{of}_ID" in environment:
        return {"id": environment[f"{of}_ID"]}
    return {"name": environment.get(f"{of}_NAME", _DEFAULT_DOMAIN)}


def _required(environment: Mapping[str, str], name: str) -> str:
    if not environment.get(name):
        raise _missing(name)
    return environment[name]


def _missing(name: str) -> PlanError:
    return PlanError(
        f"{name} is not set",
        cause="the cloud and who asks it come from the environment, as with OpenStack's own client",
        next_step="set OS_AUTH_URL, OS_USERNAME, OS_PASSWORD and OS_PROJECT_NAME, or an application credential",
    )
