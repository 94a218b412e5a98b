"""The systems of a plan: which kind each is, its label and its options."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import Field, field_validator, model_validator

from seatrial.schema.fields import Model, file_safe_word
from seatrial.systems.registry import SYSTEMS

if TYPE_CHECKING:
    from seatrial.systems.options import SystemOptions

    SystemKind: TypeAlias = str
    Options: TypeAlias = SystemOptions
else:
    SystemKind = Literal[tuple(SYSTEMS)]
    Options = Annotated[reduce(or_, SYSTEMS.values()), Field(discriminator="kind")]

RESERVED_LABELS = frozenset({"origin", "generator"})
"""Files and processes of a run are named after these beside its systems."""


class SystemPlan(Model):
    """One system under test; ``label`` names it in every output and is unique in the plan."""

    kind: SystemKind
    label: str
    options: Options

    @field_validator("label")
    @classmethod
    def _file_safe(cls, label: str) -> str:
        if label in RESERVED_LABELS:
            raise ValueError(f"the label `{label}` is taken, for a run has one itself: another word")
        return file_safe_word(label)

    @model_validator(mode="after")
    def _own_kind(self) -> SystemPlan:
        if self.label in SYSTEMS and self.label != self.kind:
            raise ValueError(
                f"`{self.label}` as the label of `{self.kind}` would be taken for another kind of system"
            )
        return self
