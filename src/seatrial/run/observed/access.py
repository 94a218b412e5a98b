"""How a plan is let in to its Prometheus: secrets are read when they are used, and are nowhere else."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import TYPE_CHECKING

from seatrial.errors import EnvironmentFault
from seatrial.observe.prometheus.client import Access

if TYPE_CHECKING:
    from seatrial.plan.model.observe import PrometheusPlan

SECRET_LIMIT_BYTES = 1 << 16


def access_of(plan: PrometheusPlan) -> Access:
    """Return how to reach it; raises ``EnvironmentFault`` where a secret is not where the plan says."""
    headers = {}
    token = _secret(plan.bearer_token_file, plan.bearer_token_env, "bearer_token")
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    password = _secret(plan.password_file, plan.password_env, "password")
    if plan.username is not None and password is not None:
        pair = base64.b64encode(f"{plan.username}:{password}".encode()).decode()
        headers["Authorization"] = f"Basic {pair}"
    return Access(plan.url, plan.timeout_s, headers, plan.ca_file)


def _secret(file: str | None, variable: str | None, key: str) -> str | None:
    """Return the text of a secret, without white space around it; None where the plan names none."""
    if file is not None:
        try:
            with Path(file).open("rb") as stream:
                text = stream.read(SECRET_LIMIT_BYTES).decode().strip()
        except (OSError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or "it is no text"
            raise EnvironmentFault(
                f"the secret for Prometheus cannot be read from {file}",
                cause=why,
                next_step=f"`{key}_file` in the plan, or the file's rights",
            ) from None
        source, where = file, f"`{key}_file` in the plan"
    elif variable is not None:
        text, source = os.environ.get(variable, "").strip(), f"the environment variable {variable}"
        where = f"set {variable}, or `{key}_env` in the plan"
    else:
        return None
    if not text or not text.isprintable():
        cause = "it is empty or not set" if not text else "it has several lines, or what cannot be printed"
        raise EnvironmentFault(f"there is no secret for Prometheus in {source}", cause=cause, next_step=where)
    return text
