"""A fault of the gate: which calls to the API server it is about, and whether they are done all the same."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from seatrial.faults.fault import Fault
from seatrial.schema.fields import Switch

if TYPE_CHECKING:
    from seatrial.cluster.asked import Asked


class GateFault(Fault):
    """What goes wrong with a call to the API server.

    ``resource`` is a pattern as in a shell (``services``, ``*/status``). With ``after`` the API server does what it is
    asked for, and the client does not hear of it, as where a write has timed out; without, the call never gets there.
    """

    kind: Literal["latency", "status", "reset", "timeout"]
    verb: (
        Literal["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"] | None
    ) = None
    resource: str = Field("*", max_length=500)
    namespace: str | None = None
    after: Switch = False

    @model_validator(mode="after")
    def _is_of_a_call_with_an_end(self) -> Self:
        if self.after and self.verb == "watch":
            raise ValueError("`after` is of calls that the API server ends by itself, and a watch is none")
        return self

    def is_about(self, asked: Asked) -> bool:
        """Return whether it is about such a call."""
        return (
            self.verb in {None, asked.verb}
            and self.namespace in {None, asked.namespace}
            and not (self.after and asked.is_watch)
            # It keeps the patterns that it has compiled.
            and fnmatch.fnmatchcase(asked.resource, self.resource)
        )
