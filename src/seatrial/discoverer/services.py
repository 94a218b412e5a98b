"""Services as a source has them, and what they are called in a cluster.

Rules: "Object Names and IDs" of Kubernetes' documentation; a Service's is an RFC 1035 label, a namespace's RFC 1123's.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Key = tuple[str, str]
"""Namespace and name of a service in the destination."""
Endpoint = tuple[str, int]
"""An IP address and a port."""
_SERVICE = re.compile(r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?")
_NAMESPACE = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?")
_LIMIT = 63
_DIGEST_LENGTH = 8


@dataclass(frozen=True, slots=True)
class Port:
    """A port of a service, and where it leads; ``protocol`` is TCP, UDP or SCTP."""

    name: str
    protocol: str
    port: int
    endpoints: tuple[Endpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Upstream:
    """A service as its source has it; ``id`` tells it from another of its name.

    ``ports`` is None where it is there and could not be read: whatever is known of it stays.
    """

    namespace: str
    name: str
    ports: tuple[Port, ...] | None
    id: str = ""


def named(found: Iterable[Upstream]) -> dict[Key, Upstream]:
    """Return services by what they are called in the destination.

    A name that is valid there is kept. Another becomes valid, with a digest of what it was. Where several would have
    one name none has it: each gets a digest of its id, for a name must not begin to mean another service.
    """
    groups: dict[Key, list[Upstream]] = defaultdict(list)
    for one in found:
        groups[namespace_name(one.namespace), service_name(one.name)].append(one)
    names: dict[Key, Upstream] = {}
    for (namespace, name), several in groups.items():
        for one in several:
            unique = name if len(several) == 1 else _with_digest(name, f"{one.namespace}/{one.name}/{one.id}")
            names[namespace, unique] = one
    return names


def service_name(text: str) -> str:
    """Return the name of a Service for it."""
    if _SERVICE.fullmatch(text):
        return text
    safe = _safe(text)
    return _with_digest(safe if safe[:1].isalpha() else f"s-{safe}", text)


def namespace_name(text: str) -> str:
    """Return the name of a namespace for it."""
    return text if _NAMESPACE.fullmatch(text) else _with_digest(_safe(text) or "ns", text)


def _safe(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _with_digest(name: str, of: str) -> str:
    digest = hashlib.sha256(of.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{name[: _LIMIT - _DIGEST_LENGTH - 1].rstrip('-')}-{digest}"
