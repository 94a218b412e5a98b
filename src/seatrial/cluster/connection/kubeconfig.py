"""Which cluster is meant: a context of a kubeconfig, found by kubectl's rules, or the one that this runs on.

What it says is checked here, in words: the messages of the library that loads it may hold its secrets.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from seatrial.errors import EnvironmentFault, PlanError

_NAMED_LIMIT = 10
_LOOK = "look at `kubectl config view`, which hides its secrets"


@dataclass(frozen=True, slots=True)
class Where:
    """Which cluster a person means; with neither, what kubectl would take.

    ``kubeconfig`` is a file, or several with colons between, as in KUBECONFIG; ``in_cluster`` is the cluster that this
    process is a pod of.
    """

    kubeconfig: str | None = None
    context: str | None = None
    in_cluster: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """A context that is there: in which files (absolute, with colons between), and what its user and cluster have.

    ``program`` is the command of an exec plugin, None where the user has none. ``proxy`` may hold a password.
    """

    paths: str
    context: str
    server: str
    program: str | None = None
    proxy: str | None = None
    has_token_file: bool = False


def choose(where: Where) -> Chosen | None:
    """Return the context that is meant, or None for the cluster that this process runs on.

    Raises ``PlanError`` for a file or a context that is named and not there, or cannot be read, and
    ``EnvironmentFault`` where no cluster is known at all.
    """
    if where.in_cluster:
        return None
    files = _files(where)
    if files is None:
        return None
    read = [(path, _read(path)) for path in files]
    name = where.context or next(
        (str(one["current-context"]) for _, one in read if one.get("current-context")), ""
    )
    paths = ":".join(str(path) for path, _ in read)
    context = _context(name, read, paths)
    cluster = _named(read, "cluster", str(context.get("cluster") or ""), name, paths)
    user = _named(read, "user", str(context.get("user")), name, paths) if context.get("user") else {}
    return _chosen(name, paths, cluster, user)


def _files(where: Where) -> list[Path] | None:
    """Return the files of it, None where there are none and this is a pod."""
    named = where.kubeconfig or os.environ.get("KUBECONFIG", "")
    wanted = [Path(word).expanduser() for word in named.split(":") if word]
    found = [path.absolute() for path in (wanted or [Path.home() / ".kube/config"]) if path.is_file()]
    if where.kubeconfig and len(found) < len(wanted):
        gone = next(path for path in wanted if not path.is_file())
        raise PlanError(f"there is no kubeconfig {gone}", next_step="give --kubeconfig the path of one")
    if found:
        return found
    if os.environ.get("KUBERNETES_SERVICE_HOST") and not where.context:
        return None
    raise EnvironmentFault(
        "no cluster is known here",
        cause=f"there is no {' and no '.join(map(str, wanted)) or '~/.kube/config'}, and this is no pod of a cluster",
        next_step="give --kubeconfig FILE, or set KUBECONFIG",
    )


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(
            f"the kubeconfig {path} cannot be read", cause=getattr(error, "strerror", None)
        ) from None
    except yaml.YAMLError as error:
        # Not its message, which quotes the file.
        mark = getattr(error, "problem_mark", None)
        place = f" (line {mark.line + 1})" if mark else ""
        raise PlanError(f"the kubeconfig {path} is no YAML{place}", next_step=_LOOK) from None
    if not isinstance(content, Mapping):
        raise PlanError(f"{path} is no kubeconfig", cause="it holds no mapping", next_step=_LOOK)
    return content


def _context(name: str, read: list[tuple[Path, Mapping[str, Any]]], paths: str) -> Mapping[str, Any]:
    there = [str(entry.get("name")) for _, one in read for entry in _entries(one, "contexts")]
    listed = ", ".join(there[:_NAMED_LIMIT]) + (" and others" if len(there) > _NAMED_LIMIT else "")
    next_step = f"give one of its contexts with --context: {listed}" if there else _LOOK
    if not name:
        raise PlanError(f"{paths} has no current context", next_step=next_step)
    if name not in there:
        raise PlanError(f"{paths} has no context {name}", next_step=next_step)
    return _named(read, "context", name, name, paths)


def _named(
    read: list[tuple[Path, Mapping[str, Any]]], kind: str, name: str, context: str, paths: str
) -> Mapping[str, Any]:
    """Return the first of this name, as kubectl has it; paths in it are relative to its file."""
    for path, one in read:
        for entry in _entries(one, f"{kind}s"):
            if entry.get("name") == name and isinstance(entry.get(kind), Mapping):
                return {**entry[kind], "": path.parent}
    raise PlanError(
        f"context {context} in {paths} is of {kind} {name!r}, which is not there", next_step=_LOOK
    )


def _entries(config: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    entries = config.get(name) or []
    return [entry for entry in entries if isinstance(entry, Mapping)] if isinstance(entries, list) else []


def _chosen(name: str, paths: str, cluster: Mapping[str, Any], user: Mapping[str, Any]) -> Chosen:
    if not cluster.get("server"):
        raise PlanError(f"the cluster of context {name} in {paths} has no server", next_step=_LOOK)
    proxy = str(cluster.get("proxy-url") or "")
    if proxy and urlsplit(proxy).scheme not in {"http", "https"}:
        raise PlanError(
            f"context {name} in {paths} has a proxy-url that is not supported",
            cause="only proxies that speak HTTP are",
            next_step="give one that does, or have a tunnel to the API server",
        )
    named = [(cluster, "certificate-authority")]
    named += [(user, key) for key in ("client-certificate", "client-key", "tokenFile")]
    for part, key in named:
        if (file := part.get(key)) and f"{key}-data" not in part and not (part[""] / str(file)).is_file():
            raise PlanError(
                f"context {name} in {paths} names a {key} that is not there",
                cause=f"there is no {part[''] / str(file)}",
                next_step="copy it there as well, or make the kubeconfig anew with its data inside",
            )
    program = user.get("exec")
    return Chosen(
        paths,
        name,
        str(cluster["server"]),
        Path(str(program.get("command"))).name if isinstance(program, Mapping) else None,
        proxy or None,
        has_token_file=bool(user.get("tokenFile")),
    )
