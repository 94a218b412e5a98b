"""Writing an image as OCI has it, which containerd, podman and skopeo read; the same contents, the same bytes.

See https://github.com/opencontainers/image-spec: image-layout.md, manifest.md, config.md.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any

from seatrial.errors import EnvironmentFault

if TYPE_CHECKING:
    from tools.cluster.images.contents import Contents, Entry

EMPTY_FOLDERS = ("dev", "etc", "proc", "run", "sys", "tmp")
"""What is mounted into a container has to have a place."""
CONTAINERD_NAME = "io.containerd.image.name"
VERSION_LABEL = "org.opencontainers.image.version"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_OCI = "application/vnd.oci.image"


@dataclass(frozen=True, slots=True)
class Image:
    """An image that is written: its full name, the digests of manifest and layer, and the folder of it all."""

    reference: str
    digest: str
    layer_digest: str
    folder: Path

    @property
    def layer_file(self) -> Path:
        """The files of the image, a tar archive."""
        return self.folder / "blobs" / "sha256" / _hex(self.layer_digest)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an image is to be. ``user`` is numeric, so that a pod can be held to not being root."""

    reference: str
    contents: Contents
    entrypoint: tuple[str, ...]
    environment: tuple[str, ...] = ()
    user: str = "65532:65532"

    def key(self) -> str:
        """Return what changes when any of its files may have."""
        said = (VERSION_LABEL, self.reference, self.entrypoint, self.environment, self.user)
        digest = hashlib.sha256(repr(said).encode())
        for name, entry in sorted(self.contents.items()):
            stat = entry.source.stat() if entry.source else None
            seen = (stat.st_size, stat.st_mtime_ns, stat.st_mode) if stat else None
            digest.update(repr((name, seen, entry.text, entry.target)).encode())
        return digest.hexdigest()[:16]


def write(recipe: Recipe, folder: Path) -> Image:
    """Write an image as an OCI layout into a folder that is not there yet, and return it."""
    part = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    blobs = part / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    layer = part / "layer"
    layer_digest = _write_layer(recipe.contents, layer)
    documents, index, digest = _documents(recipe, layer_digest, layer.stat().st_size)
    layer.chmod(0o444)
    layer.rename(blobs / _hex(layer_digest))
    for name, data in documents.items():
        (blobs / _hex(name)).write_bytes(data)
    (part / "oci-layout").write_bytes(_json({"imageLayoutVersion": "1.0.0"}))
    (part / "index.json").write_bytes(index)
    part.rename(folder)
    return Image(recipe.reference, digest, layer_digest, folder)


def read(folder: Path) -> Image:
    """Return an image that was written."""
    (listed,) = json.loads((folder / "index.json").read_bytes())["manifests"]
    manifest = json.loads((folder / "blobs" / "sha256" / _hex(listed["digest"])).read_bytes())
    (layer,) = manifest["layers"]
    return Image(listed["annotations"][CONTAINERD_NAME], listed["digest"], layer["digest"], folder)


def pack(image: Image, archive: IO[bytes], *, with_layer: bool = True) -> None:
    """Write an image as an archive of one file: what ``podman load``, ``skopeo`` and ``ctr images import`` read.

    Without its layer it is for a containerd that has that already, and takes no time.
    """
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as made:
        for path in sorted(path for path in image.folder.rglob("*") if path.is_file()):
            if path != image.layer_file or with_layer:
                with path.open("rb") as file:
                    _add(made, str(path.relative_to(image.folder)), path.stat().st_size, file)


def _documents(recipe: Recipe, layer_digest: str, layer_bytes: int) -> tuple[dict[str, bytes], bytes, str]:
    """Return configuration and manifest by digest, the index, and the manifest's digest."""
    _, _, tag = recipe.reference.rpartition(":")
    configuration = _json(
        {
            "architecture": _architecture(),
            "os": "linux",
            "config": {
                "User": recipe.user,
                "Env": ["PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", *recipe.environment],
                "Entrypoint": list(recipe.entrypoint),
                "WorkingDir": "/",
                # Whatever name it goes by on a node.
                "Labels": {VERSION_LABEL: tag},
            },
            "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{_OCI}.manifest.v1+json",
            "config": _descriptor("config.v1+json", configuration),
            "layers": [
                {"mediaType": f"{_OCI}.layer.v1.tar", "digest": layer_digest, "size": layer_bytes},
            ],
        }
    )
    # The first is where containerd looks for the full name, the second where the others look for the tag.
    names = {CONTAINERD_NAME: recipe.reference, "org.opencontainers.image.ref.name": tag}
    entry = {**_descriptor("manifest.v1+json", manifest), "annotations": names}
    index = _json({"schemaVersion": 2, "mediaType": f"{_OCI}.index.v1+json", "manifests": [entry]})
    return {_digest(configuration): configuration, _digest(manifest): manifest}, index, _digest(manifest)


def _write_layer(contents: Contents, path: Path) -> str:
    """Write the files, each after the folders that it is in, in the order of their names; return the digest."""
    folders = {str(parent) for name in contents for parent in PurePosixPath(name).parents}
    names = {folder.lstrip("/") for folder in folders} - {""} | set(EMPTY_FOLDERS)
    named = {name.lstrip("/"): entry for name, entry in contents.items()}
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as layer:
        for name in sorted(names | set(named)):
            if name in named:
                _add_entry(layer, name, named[name])
            else:
                layer.addfile(_folder(name))
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _add_entry(layer: tarfile.TarFile, name: str, entry: Entry) -> None:
    if entry.target is not None:
        link = tarfile.TarInfo(name)
        link.type, link.linkname = tarfile.SYMTYPE, entry.target
        layer.addfile(link)
    elif entry.source is not None:
        with entry.source.open("rb") as file:
            mode = 0o755 if entry.is_executable else 0o644
            _add(layer, name, entry.source.stat().st_size, file, mode)
    else:
        data = (entry.text or "").encode()
        _add(layer, name, len(data), io.BytesIO(data))


def _folder(name: str) -> tarfile.TarInfo:
    folder = tarfile.TarInfo(name)
    folder.type, folder.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
    return folder


def _add(archive: tarfile.TarFile, name: str, size: int, data: IO[bytes], mode: int = 0o644) -> None:
    """Add a file that belongs to root and has no time: a TarInfo begins so."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, mode
    archive.addfile(member, data)


def _descriptor(kind: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": f"{_OCI}.{kind}", "digest": _digest(data), "size": len(data)}


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")


def _architecture() -> str:
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise EnvironmentFault(f"images for {machine} are not known", next_step="use x86_64 or aarch64")
    return _ARCHITECTURES[machine]
