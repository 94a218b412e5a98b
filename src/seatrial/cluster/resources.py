"""Where the objects of a kind are: an API server says so itself, for each version of each group."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from seatrial.errors import ClusterFault

if TYPE_CHECKING:
    from seatrial.cluster.answers import Answer


class Reads(Protocol):
    """What can read from an API server."""

    async def get(self, path: str, params: Mapping[str, str] | None = None, /, *, asked: str = "") -> Answer:
        """Read."""


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """Which object; ``namespace`` is empty for one that is in none."""

    api_version: str
    kind: str
    name: str
    namespace: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {f'{self.namespace}/' if self.namespace else ''}{self.name}"


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object as the API has it: ``plural`` is its name in paths and in rights, ``verbs`` what it allows."""

    api_version: str
    kind: str
    plural: str
    is_namespaced: bool
    verbs: frozenset[str] = frozenset()

    @property
    def group(self) -> str:
        """The API group, empty for the core one."""
        return self.api_version.rpartition("/")[0]

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Return the path of one, of all of a namespace, or of all there are."""
        root = "/api" if "/" not in self.api_version else "/apis"
        within = ["namespaces", namespace] if self.is_namespaced and namespace else []
        parts = [*within, self.plural, name, subresource]
        return "/".join([root, self.api_version, *(quote(part, safe=":") for part in parts if part)])


class Resources:
    """Every kind that a cluster knows, asked for once a version of a group, until it is to ``forget`` them."""

    def __init__(self, client: Reads) -> None:
        self._client = client
        self._known: dict[tuple[str, str], Resource] = {}

    def forget(self) -> None:
        """Ask anew from now on: kinds come, and somebody may remove them."""
        self._known.clear()

    async def find(self, api_version: str, kind: str) -> Resource:
        """Return where the objects of a kind are; raises ``ClusterFault`` where the cluster does not have it (404)."""
        if (api_version, kind) not in self._known:
            for resource in await self.of_version(api_version):
                self._known[api_version, resource.kind] = resource
        try:
            return self._known[api_version, kind]
        except KeyError:
            raise _unknown(api_version, kind) from None

    async def of(self, manifest: Mapping[str, Any]) -> Resource:
        """Return where an object of this apiVersion and kind is."""
        return await self.find(str(manifest["apiVersion"]), str(manifest["kind"]))

    async def of_version(self, api_version: str) -> tuple[Resource, ...]:
        """Return the kinds of a version of a group, without subresources; empty where there is no such group."""
        root = "/api" if "/" not in api_version else "/apis"
        try:
            answer = await self._client.get(f"{root}/{api_version}", asked=f"list the kinds of {api_version}")
        except ClusterFault as fault:
            if fault.status != 404:
                raise
            return ()
        return tuple(
            Resource(
                api_version,
                str(one["kind"]),
                str(one["name"]),
                bool(one["namespaced"]),
                frozenset(one["verbs"]),
            )
            for one in answer.body["resources"]
            if "/" not in one["name"]
        )

    async def every(self) -> tuple[Resource, ...]:
        """Return all kinds of the cluster, each in the version that it prefers.

        Groups whose own API server is away are left out, for it can be asked for nothing.
        """
        groups = (await self._client.get("/apis", asked="list the API groups")).body["groups"]
        versions = ["v1", *(str(group["preferredVersion"]["groupVersion"]) for group in groups)]
        found = await asyncio.gather(*map(self._of_version_if_there, versions))
        return tuple(resource for of_version in found for resource in of_version)

    async def _of_version_if_there(self, api_version: str) -> tuple[Resource, ...]:
        try:
            return await self.of_version(api_version)
        except ClusterFault as fault:
            if fault.status < 500:
                raise
            return ()


def ref_of(manifest: Mapping[str, Any]) -> Ref:
    """Return which object this is."""
    metadata = manifest["metadata"]
    return Ref(
        str(manifest["apiVersion"]),
        str(manifest["kind"]),
        str(metadata.get("name") or ""),
        str(metadata.get("namespace") or ""),
    )


def _unknown(api_version: str, kind: str) -> ClusterFault:
    return ClusterFault(
        f"the cluster has no {kind} ({api_version})",
        cause="what brings this kind is not installed there, or in another version",
        next_step=f"see what it has: kubectl api-resources --api-group={api_version.rpartition('/')[0]}",
        status=404,
        reason="NotFound",
    )
