"""The labels by which everything that a run makes on a cluster is found again, from whichever machine.

Names and values follow Kubernetes' own rules ("Recommended Labels" and "Labels and Selectors" of its documentation).
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

RUN = "seatrial.dev/run"
"""Whose value is the run's id, as :func:`label_value` has it."""
PART = "seatrial.dev/part"
"""Beside it: which part of a run an object is of, where that part is removed before the rest."""
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "seatrial"
"""Who makes the objects: also the name of the field manager of what is applied."""
SERVICE_NAME = "kubernetes.io/service-name"
"""Kubernetes' own: which Service an EndpointSlice is of."""
VALUE_LIMIT = 63
_DIGEST_LENGTH = 8


def label_value(text: str) -> str:
    """Return a text as a label's value: the text itself where it is one already, otherwise its like with a digest."""
    safe = re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-_.")
    if safe == text and len(text) <= VALUE_LIMIT:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{safe[: VALUE_LIMIT - _DIGEST_LENGTH - 1].rstrip('-_.')}-{digest}".lstrip("-")


def new_run_id(name: str) -> str:
    """Return an id for a run that no other has, of whichever machine: two may start runs of one name in one second."""
    return label_value(f"{name}-{secrets.token_hex(4)}")


def run_labels(run_id: str, part: str = "") -> dict[str, str]:
    """Return the labels of everything that a run makes, or for a part of it."""
    return {MANAGED_BY: MANAGER, RUN: label_value(run_id), **({PART: label_value(part)} if part else {})}


def selector(run_id: str | None = None, part: str = "") -> str:
    """Return the label selector of what a run has made, all of it or a part; without one of what any has."""
    if run_id is None:
        return RUN
    return f"{RUN}={label_value(run_id)}" + (f",{PART}={label_value(part)}" if part else "")


def labelled(manifest: Mapping[str, Any], run_id: str, part: str = "") -> dict[str, Any]:
    """Return an object with the run's labels, and with them in its pod template where it has one.

    The pods of a Deployment or a Job are found by the run then, too.
    """
    labels = run_labels(run_id, part)
    made = _with_labels(manifest, labels)
    spec = made.get("spec") or {}
    template = spec.get("template")
    if isinstance(template, dict) and "containers" in (template.get("spec") or {}):
        made["spec"] = {**spec, "template": _with_labels(template, labels)}
    return made


def run_of(manifest: Mapping[str, Any]) -> str | None:
    """Return whose an object is, as its label says; None where it is no run's."""
    value = (manifest.get("metadata", {}).get("labels") or {}).get(RUN)
    return str(value) if value is not None else None


def _with_labels(manifest: Mapping[str, Any], labels: Mapping[str, str]) -> dict[str, Any]:
    metadata = dict(manifest.get("metadata") or {})
    metadata["labels"] = {**(metadata.get("labels") or {}), **labels}
    return {**manifest, "metadata": metadata}
