"""What a plan asks of somebody else's Prometheus about each trial; secrets are named, and never in the plan."""

from __future__ import annotations

import re
from string import Template
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from seatrial import limits
from seatrial.plan.observed import NAME_PATTERN
from seatrial.schema.fields import Model
from seatrial.schema.quantities import DURATION, Quantity

if TYPE_CHECKING:
    from collections.abc import Mapping

PLACEHOLDERS: Mapping[str, str] = {
    "run": "the run's id, the name of its directory",
    "plan": "the plan's name",
    "system": "the label of the system under test",
    "case": "the id of the case",
    "trial": "the number of the trial",
    "window": "the length of the measure phase, such as `300000ms`",
}
"""What a query may have in place of a value, after a `$`."""

_PASSED = Annotated[float, Quantity(DURATION, 0.001, 300.0)]


class PrometheusPlan(Model):
    """A Prometheus, or what answers as one does, and how to be let in."""

    url: str = Field(
        description="Where it answers, with the path before `/api/v1` if there is one.",
        examples=["http://127.0.0.1:9090"],
    )
    bearer_token_file: str | None = Field(
        None, description="A file that holds the token that it wants.", examples=["/run/secrets/token"]
    )
    bearer_token_env: str | None = Field(
        None, description="An environment variable that holds it.", examples=["PROMETHEUS_TOKEN"]
    )
    username: str | None = Field(None, description="The name for basic authentication.", examples=["reader"])
    password_file: str | None = Field(None, description="A file that holds its password.")
    password_env: str | None = Field(None, description="An environment variable that holds it.")
    ca_file: str | None = Field(
        None, description="Certificates (PEM) to trust in place of the machine's.", examples=["ca.pem"]
    )
    timeout_s: _PASSED = Field(
        10, alias="timeout", description="How long an answer may take.", examples=["10 s"]
    )

    @field_validator("url")
    @classmethod
    def _without_secrets(cls, url: str) -> str:
        # Whoever has half a URL gets a ValueError from its port only when that is asked for.
        parts = urlsplit(url)
        is_whole = (
            parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port > 0)
        )
        if not is_whole or parts.query or parts.fragment:
            raise ValueError(f"`{url.rpartition('@')[2][:100]}` is no URL: such as `http://127.0.0.1:9090`")
        if parts.username is not None:
            raise ValueError(
                "a URL in a plan is recorded, so no password may be in it: `username` and `password_file`"
            )
        return url.rstrip("/")

    @model_validator(mode="after")
    def _one_way_in(self) -> PrometheusPlan:
        tokens, passwords = (
            [one for one in given if one is not None]
            for given in (
                (self.bearer_token_file, self.bearer_token_env),
                (self.password_file, self.password_env),
            )
        )
        if len(tokens) > 1 or len(passwords) > 1:
            raise ValueError("a secret comes from a file or from an environment variable: one of the two")
        if tokens and (self.username is not None or passwords):
            raise ValueError("a bearer token and basic authentication do not go together: one of the two")
        if (self.username is None) != (not passwords):
            raise ValueError("basic authentication is `username` with `password_file` or `password_env`")
        return self


class QueryPlan(Model):
    """PromQL that is evaluated over the measure phase of each trial."""

    name: str
    query: str = Field(
        description="PromQL. `$"
        + "`, `$".join(PLACEHOLDERS)
        + "` are filled in, each a text without quotes; `$$` is a dollar before a name.",
        examples=["sum(rate(node_network_receive_bytes_total[$window]))"],
    )
    unit: str = Field(
        "", max_length=32, description="The unit of its values, shown beside them.", examples=["bytes/s"]
    )
    step_s: Annotated[float, Quantity(DURATION, 0.001, limits.MAX_DURATION_S)] | None = Field(
        None,
        alias="step",
        description="How far apart the moments are at which it is evaluated. If left out, or where it is shorter: the "
        "longest scrape interval of the targets that its series come from.",
        examples=["15 s"],
    )

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, name: str) -> str:
        if not re.fullmatch(NAME_PATTERN, name, re.ASCII):
            raise ValueError(f"`{name[:64]}` is no name of a query: a-z, 0-9 and `_`, such as `memory`")
        return name

    @field_validator("unit")
    @classmethod
    def _is_a_word(cls, unit: str) -> str:
        if not re.fullmatch(r"\S*", unit):
            raise ValueError("a unit is one word, such as `bytes/s`")
        return unit

    @field_validator("query")
    @classmethod
    def _asks_something(cls, query: str) -> str:
        if not query.strip():
            raise ValueError("an empty query: PromQL, such as `up`")
        unknown = sorted(set(_Promql(query).names) - PLACEHOLDERS.keys())
        if unknown:
            raise ValueError(
                f"`${unknown[0]}` is nothing that is filled in: {', '.join(f'`${name}`' for name in PLACEHOLDERS)}; "
                f"`$${unknown[0]}` for a dollar before that name"
            )
        return query

    def filled(self, values: Mapping[str, str]) -> str:
        """Return the query with every placeholder filled in."""
        return _Promql(self.query).safe_substitute(values)


class _Promql(Template):
    """PromQL with placeholders; numbers after a dollar are groups of ``label_replace``, and one may end a regex."""

    idpattern = r"[a-z][a-z_]*"
    flags = re.ASCII

    @property
    def names(self) -> list[str]:
        return [
            found["named"] or found["braced"]
            for found in self.pattern.finditer(self.template)
            if found["named"] or found["braced"]
        ]


class ObservePlan(Model):
    """What a Prometheus is asked of each trial: its answers are recorded, reported, and may have objectives."""

    prometheus: PrometheusPlan = Field(
        description="The URL of a Prometheus, or a mapping.", examples=["http://127.0.0.1:9090"]
    )
    queries: tuple[QueryPlan, ...] = Field(
        max_length=limits.MAX_QUERIES,
        description="Names, and for each PromQL or a mapping. A name is what an objective says: `observed.NAME < 5`.",
        examples=[{"established": {"query": "node_netstat_Tcp_CurrEstab", "unit": "connections"}}],
    )

    @model_validator(mode="after")
    def _asks_something(self) -> ObservePlan:
        if not self.queries:
            raise ValueError("`queries` is empty: what is asked, such as `queries: {up: up}`")
        return self
