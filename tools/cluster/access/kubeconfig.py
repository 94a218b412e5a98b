"""The cluster in the kubeconfig of whoever started it, as kind does: `kubectl` and `seatrial` find it without a word.

The file is edited as a tree of YAML nodes, so that every value of others stays written as it was. Comments are lost, as
they are to kubectl.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from seatrial.errors import EnvironmentFault
from tools.cluster import layout
from tools.cluster.layout import Cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Report = Callable[[str], None]

SUFFIX = "-lab"
LOCK_LIMIT_S = 5.0
_CURRENT = "current-context"
_KINDS = ("cluster", "user", "context")
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Noted:
    """What was done to a file: which context was its current one before, and whether it was made for this."""

    path: str
    previous: str = ""
    is_ours: bool = False


def name_of(cluster: Cluster) -> str:
    """Return the name of a cluster's context, and of its cluster and user, in a person's kubeconfig."""
    return f"{cluster.name}{SUFFIX}"


def enter(cluster: Cluster, report: Report) -> None:
    """Merge a cluster that is up into the first file of KUBECONFIG, or ~/.kube/config, and make it the current context.

    Raises ``EnvironmentFault``, and leaves the file as it is, where that cannot be read.
    """
    path, earlier = _file(), noted(cluster)
    if path.is_relative_to(layout.cache() / "clusters"):
        report(f"{path} stays as it is: it is a cluster's own")
        return
    if earlier is not None and earlier.path != str(path):
        leave(cluster, earlier, report)
        earlier = None
    name, own = name_of(cluster), json.loads(cluster.kubeconfig.read_text())
    entries = {kind: own[f"{kind}s"][0][kind] for kind in _KINDS} | {
        "context": {"cluster": name, "user": name}
    }
    with _locked(path):
        document = _read(path)
        if earlier is None:
            current = _text(document, _CURRENT)
            _note(cluster, Noted(str(path), "" if current == name else current, is_ours=not path.exists()))
        for kind, entry in entries.items():
            _without(document, kind, name).value.append(_node({"name": name, kind: entry}))
        _set(document, _CURRENT, name)
        _write(path, document)
    report(f"context {name} is the current one of {path}")


def noted(cluster: Cluster) -> Noted | None:
    """Return what was done to whose kubeconfig; None where nothing was, or it is not known any more."""
    file = _notes(cluster)
    return Noted(**json.loads(file.read_text())) if file.exists() else None


def leave(cluster: Cluster, before: Noted | None, report: Report) -> None:
    """Take a cluster out again, and make that context the current one that was; harmless where it is not there."""
    before = before or Noted(str(_file()))
    path, name = Path(before.path), name_of(cluster)
    if not path.exists() or path.is_relative_to(layout.cache() / "clusters"):
        return
    with _locked(path):
        document = _read(path)
        lists = {kind: _without(document, kind, name) for kind in _KINDS}
        if _text(document, _CURRENT) == name:
            # Another lab's may have gone meanwhile.
            is_there = before.previous in _names(lists["context"]) or not before.previous.endswith(SUFFIX)
            _set(document, _CURRENT, before.previous if is_there else "")
        elif serialised(document) == serialised(_read(path)):
            return
        if before.is_ours and not any(entries.value for entries in lists.values()):
            path.unlink()
        else:
            _write(path, document)
    report(f"context {name} is out of {path}")


def serialised(document: yaml.MappingNode) -> str:
    """Return a tree as text."""
    return str(yaml.serialize(document, Dumper=yaml.SafeDumper, allow_unicode=True))


def _file() -> Path:
    """Return the file itself, also where a link leads to it."""
    words = [word for word in os.environ.get("KUBECONFIG", "").split(os.pathsep) if word]
    return Path(words[0] if words else "~/.kube/config").expanduser().resolve()


def _read(path: Path) -> yaml.MappingNode:
    try:
        document = (
            yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader) if path.exists() else None
        )
    except (OSError, UnicodeDecodeError) as error:
        raise _unread(path, str(getattr(error, "strerror", None) or "it is no text")) from None
    except yaml.YAMLError as error:
        # Not its message, which quotes the file.
        mark = getattr(error, "problem_mark", None)
        raise _unread(path, f"it is no YAML{f' (line {mark.line + 1})' if mark else ''}") from None
    if document is None:
        document = _node({"apiVersion": "v1", "kind": "Config"})
    if not isinstance(document, yaml.MappingNode):
        raise _unread(path, "it holds no mapping")
    for kind in _KINDS:
        if not isinstance(_value(document, f"{kind}s") or yaml.SequenceNode("", []), yaml.SequenceNode):
            raise _unread(path, f"its {kind}s are no list")
    return document


def _unread(path: Path, cause: str) -> EnvironmentFault:
    return EnvironmentFault(
        f"the kubeconfig {path} cannot be changed, and stays as it is",
        cause=cause,
        next_step="mend it, or set KUBECONFIG to another file, and call this again",
    )


def _write(path: Path, document: yaml.MappingNode) -> None:
    """Replace the file as a whole; it holds keys, so it is nobody else's to read."""
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(serialised(document))
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            os.chown(part, path.stat().st_uid, path.stat().st_gid)
        Path(part).replace(path)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep kubectl and its like from changing a file meanwhile: they make the same lock (client-go's clientcmd)."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock, deadline_s = path.with_name(f"{path.name}.lock"), time.monotonic() + LOCK_LIMIT_S
    while True:
        try:
            os.close(os.open(lock, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0))
            break
        except FileExistsError:
            if time.monotonic() > deadline_s:
                raise EnvironmentFault(
                    f"the kubeconfig {path} is being changed by another program",
                    cause=f"there is {lock}",
                    next_step="remove that file if no program is at work, and call this again",
                ) from None
            time.sleep(_POLL_S)
    try:
        yield
    finally:
        lock.unlink(missing_ok=True)


def _notes(cluster: Cluster) -> Path:
    return cluster.home / "kubeconfig.json"


def _note(cluster: Cluster, what: Noted) -> None:
    part = _notes(cluster).with_suffix(".part")
    part.write_text(json.dumps(asdict(what)))
    part.rename(_notes(cluster))


def _without(document: yaml.MappingNode, kind: str, name: str) -> yaml.SequenceNode:
    """Return the list of a kind, made where there is none, after what is in it of this name has been taken out."""
    key = f"{kind}s"
    entries: yaml.SequenceNode | None = _value(document, key)
    if entries is None:
        entries = yaml.SequenceNode("tag:yaml.org,2002:seq", [], flow_style=document.flow_style)
        document.value = [pair for pair in document.value if pair[0].value != key]
        document.value.append((_node(key), entries))
    entries.value = [entry for entry in entries.value if _name(entry) != name]
    return entries


def _names(entries: yaml.SequenceNode) -> list[str]:
    return [_name(entry) for entry in entries.value]


def _name(entry: yaml.Node) -> str:
    return _text(entry, "name") if isinstance(entry, yaml.MappingNode) else ""


def _text(document: yaml.MappingNode, key: str) -> str:
    found = _value(document, key)
    return str(found.value) if isinstance(found, yaml.ScalarNode) else ""


def _value(document: yaml.MappingNode, key: str) -> Any:
    """Return the node of a key; None where there is none, or it is null."""
    found = next((value for name, value in document.value if name.value == key), None)
    return None if found is not None and found.tag == "tag:yaml.org,2002:null" else found


def _set(document: yaml.MappingNode, key: str, text: str) -> None:
    document.value = [(name, value) for name, value in document.value if name.value != key]
    if text:
        document.value.append((_node(key), _node(text)))


def _node(content: Any) -> Any:
    return yaml.compose(yaml.safe_dump(content, default_flow_style=False), Loader=yaml.SafeLoader)
