"""What is in force of nginx's limits and sizes, as it has understood its configuration, and where it met one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from seatrial.systems.settings import Setting, Value

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SOURCE = "nginx -T"
DEFAULT_WORKER_CONNECTIONS = 512
"""nginx's own, where its configuration says nothing (ngx_event.c, DEFAULT_CONNECTIONS)."""
MET = b"worker_connections are not enough"
MET_COUNTER = "error log: worker_connections are not enough"
_SIZES = {
    "buffer": ("proxy_buffer_size", "{}"),
    "header_buffer": ("large_client_header_buffers", "4 {}"),
}


def settings(
    member: str, page: str, worker_connections: int | None, values: Mapping[str, object]
) -> tuple[Setting, ...]:
    """Return ``worker_connections``, and the sizes and the pool that were asked for, from what `nginx -T` prints."""
    found = _last(page, "worker_connections") or str(DEFAULT_WORKER_CONNECTIONS)
    return (
        Setting(member, "worker_connections", worker_connections, _value(found), SOURCE, counter=MET_COUNTER),
        *_sizes(member, page, values),
    )


def _sizes(member: str, page: str, values: Mapping[str, object]) -> Iterator[Setting]:
    for option, (name, form) in _SIZES.items():
        if size := values.get(option):
            yield Setting(member, name, _value(form.format(size)), _value(_last(page, name)), SOURCE)
    if pool := values.get("keepalive_upstream"):
        yield Setting(member, "keepalive", _value(str(pool)), _value(_last(page, "keepalive")), SOURCE)


def _last(page: str, directive: str) -> str | None:
    """Return what a directive is given where it stands last, without comments."""
    found = re.findall(rf"^\s*{directive}\s+([^;#]+);", page, re.MULTILINE)
    return found[-1].strip() if found else None


def _value(text: str | None) -> Value:
    return int(text) if text is not None and text.isdigit() else text


class ErrorLog:
    """Counts in an error log, as it grows, where a worker had no connection left: nginx has no counter of it.

    At least so often: where a worker takes the connection of a client that is idle, to use it anew, it says so once a
    second only (ngx_drain_connections).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0
        self._rest = b""
        self._met = 0

    def limits_met(self) -> Mapping[str, int]:
        """Read what is new, and return how often it was said since the beginning; empty where never."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                new = file.read()
        except OSError:
            new = b""
        self._read += len(new)
        whole, newline, self._rest = (self._rest + new).rpartition(b"\n")
        self._met += (whole + newline).count(MET)
        return {MET_COUNTER: self._met} if self._met else {}
