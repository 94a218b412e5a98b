"""What a metric is on its way out, whatever the format."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from seatrial.live.exposition.distribution import Distribution

Kind = Literal["counter", "gauge", "histogram", "info"]


@dataclass(frozen=True, slots=True)
class Series:
    """One series: its labels, and its value now."""

    labels: Mapping[str, str]
    value: float | Distribution


@dataclass(frozen=True, slots=True)
class Family:
    """A metric with its series. ``name`` has no suffix of its kind (``_total``), and ends with its ``unit``, if any."""

    name: str
    kind: Kind
    help: str
    unit: str = ""
    series: list[Series] = field(default_factory=list)

    @property
    def sample_name(self) -> str:
        """The name of its one sample, where it is no histogram."""
        return f"{self.name}{ {'counter': '_total', 'info': '_info'}.get(self.kind, '') }"
