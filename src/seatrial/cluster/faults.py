"""What a cluster refuses or breaks, in words: what, the likely cause, the next step.

Nothing that was sent goes into them, for it may hold a secret: only what was asked for, and what the server says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from seatrial.errors import ClusterFault

if TYPE_CHECKING:
    from collections.abc import Mapping

UNKNOWN_WHETHER_DONE = "UnknownWhetherDone"
"""The ``reason`` of a call that was cut off, and that is not safe to be made again."""
_MESSAGE_LIMIT = 600
"""A refusal of an object lists every field of it that is wrong; whoever wants all of them asks kubectl."""
_QUOTA = "exceeded quota"
_OWN_FAULT = "look at the API server's health: kubectl get --raw '/readyz?verbose'"
_WORDS: Mapping[int, tuple[str, str]] = {
    401: (
        "it does not know who asks: the credentials have expired, or are another cluster's",
        "log in again, and try `kubectl auth whoami` with the same kubeconfig and context",
    ),
    403: (
        "",
        "`seatrial check --on kubernetes` lists the rights that are missing, with --rbac the role that has them",
    ),
    429: (
        "it is asked for more than it takes",
        "have less else going on there, or give Seatrial's user a priority level of its own (kubectl get flowschemas)",
    ),
}


def of_status(asked: str, status: int, body: Any) -> ClusterFault:
    """Return what to say of an answer that is no success; ``asked`` is what was asked, such as ``create Pod a/b``."""
    said = body if isinstance(body, dict) else {}
    reason = str(said.get("reason") or "")
    message = str(said.get("message") or (body if isinstance(body, str) else "")).strip()
    if len(message) > _MESSAGE_LIMIT:
        message = f"{message[:_MESSAGE_LIMIT]}..."
    cause, next_step = _WORDS.get(status, ("", _OWN_FAULT if status >= 500 else ""))
    if status == 403 and _QUOTA in message:
        next_step = "raise the quota of the namespace (kubectl describe quota), or plan for less"
    return ClusterFault(
        f"cannot {asked}: the API server answers {status} {reason}".rstrip(),
        cause=": ".join(filter(None, [cause, message])) or None,
        next_step=next_step or None,
        status=status,
        reason=reason,
    )


def unreachable(server: str, cause: str, next_step: str) -> ClusterFault:
    """Return what to say where no connection to the API server came about."""
    return ClusterFault(f"the API server {server} cannot be reached", cause=cause, next_step=next_step)


def broken(asked: str, cause: str, *, is_unknown: bool) -> ClusterFault:
    """Return what to say where a call was cut off; ``is_unknown`` where it may have been done all the same."""
    return ClusterFault(
        f"cannot {asked}: {cause}",
        cause="whether it was done is not known" if is_unknown else None,
        next_step="see whether the API server, or what is between, was started anew; then try again",
        reason=UNKNOWN_WHETHER_DONE if is_unknown else "",
    )
