"""Systems that are on a cluster already: a controller behind an Ingress class or a GatewayClass, or any address.

Nothing of them is installed or changed. Routes are made for them where they are of a class; what they count is theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from seatrial.systems.installed.kinds.options import InstalledOptions
from seatrial.systems.installed.manifests.objects import namespace
from seatrial.systems.installed.manifests.routes import Door, gateway
from seatrial.systems.vocabulary import Lack, Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from seatrial.systems.installed.manifests.objects import Object, Site
    from seatrial.systems.installed.manifests.routes import Dialect

_ADDRESS = r"^[A-Za-z0-9.:\[\]-]+$"
_PODS = r"^[a-z0-9-]+/[^/=]+(/[^=]+)?=[^=]+$"
NOT_OURS = "it is there already, and is not configured by Seatrial"
NOT_COUNTED = ("requests", "accepted connections", "upstream requests")


def _http_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme != "http" or not parts.hostname or parts.path not in {"", "/"}:
        raise ValueError(f"`{url}` is no http:// address of a server")
    return url


class FoundOptions(InstalledOptions):
    """What a plan may say of a system that is there already."""

    bytes_per_connection: ClassVar[int] = 0
    not_counted: ClassVar[tuple[str, ...]] = NOT_COUNTED
    lacks: ClassVar[tuple[Lack, ...]] = (
        Lack("limits", ("default",), NOT_OURS),
        Lack("tls_upstream", (False,), NOT_OURS),
        Lack("keepalive_upstream", (None,), NOT_OURS),
        Lack("access_log", ("off",), NOT_OURS),
        Lack("buffer", (None,), NOT_OURS),
        Lack("header_buffer", (None,), NOT_OURS),
        Lack("config", (None,), NOT_OURS),
    )
    limits: Limits = Field(
        "default",
        description="What it has: it is not Seatrial's to raise. `service_annotations` may, in the controller's words.",
        examples=["default"],
    )
    pods: Annotated[str, Field(pattern=_PODS)] | None = Field(
        None,
        description="Its proxies' pods, as NAMESPACE/LABEL=VALUE: they are described, and what they use is measured.",
        examples=["projectcontour/app=envoy"],
    )


class ClassOptions(FoundOptions):
    """What both kinds say whose routes Seatrial makes."""

    class_name: str = Field(alias="class", description="The class that it serves.", examples=["nginx"])
    address: Annotated[str, Field(pattern=_ADDRESS)] | None = Field(
        None,
        description="Where it is reached, HOST or HOST:PORT. If left out: where its objects' status says.",
        examples=["10.0.0.10", "ingress.example.com:8080"],
    )
    service_annotations: dict[str, str] = Field(
        {},
        description="Annotations of every Service.",
        examples=['{projectcontour.io/max-connections: "50000"}'],
    )


class IngressOptions(ClassOptions):
    """Any controller behind an Ingress class of a cluster."""

    kind: Literal["ingress"] = "ingress"
    annotations: dict[str, str] = Field(
        {},
        description="Annotations of every Ingress.",
        examples=['{projectcontour.io/response-timeout: "10s"}'],
    )


class GatewayOptions(ClassOptions):
    """Any controller behind a GatewayClass of a cluster."""

    kind: Literal["gateway"] = "gateway"


class UrlOptions(FoundOptions):
    """Whatever serves at an address: nothing is made for it, and its routes are its own."""

    kind: Literal["url"] = "url"
    url: Annotated[str, AfterValidator(_http_url)] = Field(
        description="Where it serves.", examples=["http://ingress.example.com"]
    )


def door(options: ClassOptions) -> Door:
    """Return whose the routes are."""
    annotations = options.annotations if isinstance(options, IngressOptions) else {}
    return Door(options.class_name, annotations=annotations, timeouts=False)


def dialect(options: ClassOptions) -> Dialect:
    """Return the objects that routes are written as."""
    return "Ingress" if isinstance(options, IngressOptions) else "HTTPRoute"


def before(site: Site, options: ClassOptions, *, has_tls: bool) -> Iterator[Object]:
    """Yield what has to stand before the routes."""
    yield namespace(site)
    if isinstance(options, GatewayOptions):
        yield gateway(site, options.class_name, has_tls=has_tls)
