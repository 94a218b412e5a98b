"""API servers of this machine, and what they keep objects in: their CPU is of what is asked, not of other programs."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil

from seatrial.machine.members import Member

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from seatrial.cluster.client import Client


def servers_here(clients: Iterable[Client]) -> tuple[Member, ...]:
    """Return the processes of this machine that answer at the API servers of these clients, and those that they ask.

    They fill the role of the origin: what stands behind a discoverer. Of a server elsewhere there are none, and where
    the kernel does not say whose a port is neither.
    """
    ports = {port for client in clients if (port := _port_here(str(client.reference["server"]))) is not None}
    if not ports:
        return ()
    try:
        connections = psutil.net_connections("tcp")
    except psutil.Error:
        return ()
    listening: dict[int, int] = {
        one.laddr.port: one.pid
        for one in connections
        if one.laddr and one.status == psutil.CONN_LISTEN and one.pid
    }
    servers = {listening[port] for port in ports if port in listening}
    behind = {
        listening[one.raddr.port]
        for one in connections
        if one.pid in servers and one.raddr and _is_here(one.raddr.ip) and one.raddr.port in listening
    }
    return tuple(_members(sorted(servers), sorted(behind - servers)))


def _members(servers: Iterable[int], behind: Iterable[int]) -> Iterator[Member]:
    for number, pid in enumerate(servers, start=1):
        if (member := Member.alone("origin", f"API server {number}", pid)) is not None:
            yield member
    for pid in behind:
        with suppress(psutil.Error):
            name = psutil.Process(pid).name()
            if (member := Member.alone("origin", f"{name} {pid}", pid)) is not None:
                yield member


def _port_here(server: str) -> int | None:
    parts = urlsplit(server)
    host = parts.hostname or ""
    return (parts.port or 443) if host == "localhost" or _is_here(host) else None


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
