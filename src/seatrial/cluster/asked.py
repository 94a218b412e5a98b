"""What a call to an API server asks for: its verb and what it is about, as the API server itself reads it.

Source: ``RequestInfoFactory.NewRequestInfo`` of Kubernetes (apiserver/pkg/endpoints/request/requestinfo.go), which its
audit log, its rights and its metrics go by.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qs, unquote

_KEPT_LIMIT = 4_096
_VERBS = {
    "POST": "create",
    "GET": "get",
    "HEAD": "get",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
}
_PATH_VERBS = frozenset({"proxy", "watch"})
_OF_NAMESPACES = frozenset({"status", "finalize"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call asks for.

    ``resource`` is a plural (``services``), with its subresource (``services/status``), or a path that is of no
    resource (``/healthz``), whose verb is the method in lower case. What a call does not have is empty.
    """

    verb: str
    resource: str
    group: str = ""
    namespace: str = ""
    name: str = ""

    @property
    def is_watch(self) -> bool:
        """Whether its answer has no end by itself."""
        return self.verb == "watch"


@lru_cache(_KEPT_LIMIT)
def read_asked(method: str, target: str) -> Asked:
    """Return what is asked for by a method and a path with its query, as they are sent."""
    path, _, query = target.partition("?")
    path = unquote(path)
    parts = path.strip("/").split("/")
    if len(parts) >= 3 and parts[0] == "api":
        return _of_resource(method, "", parts[2:], query)
    if len(parts) >= 4 and parts[0] == "apis":
        return _of_resource(method, parts[1], parts[3:], query)
    return Asked(method.lower(), path)


def _of_resource(method: str, group: str, parts: list[str], query: str) -> Asked:
    verb, namespace = _VERBS.get(method, ""), ""
    if parts[0] in _PATH_VERBS and len(parts) > 1:
        verb, *parts = parts
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in _OF_NAMESPACES:
            parts = parts[2:]
    has_subresource = len(parts) > 2 and verb != "proxy"
    resource = f"{parts[0]}/{parts[2]}" if has_subresource else parts[0]
    name = parts[1] if len(parts) > 1 else ""
    if not name and verb == "get":
        wanted = parse_qs(query, keep_blank_values=True)
        verb = "watch" if _is_true(wanted.get("watch")) else "list"
        name = _name_selected(wanted.get("fieldSelector"))
    elif not name and verb == "delete":
        verb = "deletecollection"
    return Asked(verb, resource, group, namespace, name)


def _is_true(values: list[str] | None) -> bool:
    return values is not None and values[0].lower() not in {"false", "0"}


def _name_selected(selectors: list[str] | None) -> str:
    for term in (selectors or [""])[0].split(","):
        key, sign, value = term.partition("=")
        if key == "metadata.name" and sign:
            return value.removeprefix("=")
    return ""
