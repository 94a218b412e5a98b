"""A fault of the simulated cloud: beside what all have, a token that expires and a page that changes."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from seatrial.faults.fault import Fault

if TYPE_CHECKING:
    from seatrial.openstack.cloud.projects import Project


class CloudFault(Fault):
    """What goes wrong with a call of a client.

    ``path`` is a pattern as in a shell (``/network/v2.0/lbaas/*``) of the path without query, ``project`` the name or
    id of the project that the call's token is of.
    """

    # Whether there is a page to change is not known before it has been made.
    counted_later: ClassVar[frozenset[str]] = frozenset({"page"})

    kind: Literal["latency", "status", "reset", "timeout", "token", "page"]
    path: str = Field("/*", max_length=500)
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] | None = None
    project: str | None = None

    def is_about(self, method: str, path: str, project: Project | None) -> bool:
        """Return whether it is about such a call."""
        return (
            self.method in {None, method}
            and (self.project is None or (project is not None and self.project in {project.id, project.name}))
            # It keeps the patterns that it has compiled.
            and fnmatch.fnmatchcase(path, self.path)
        )
