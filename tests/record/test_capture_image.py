"""The image of the capture container: what it holds, made of this machine's programs."""

from __future__ import annotations

import ast
import hashlib
import io
import json
import os
import platform
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from capnet.errors import EnvironmentLacks
from capnet.record.kernel import drop_tracer, nfnetlink, rule_tracer
from capnet.record.remote import api_tunnel
from capnet.record.remote.image import programs
from capnet.record.remote.image.archive import FORMAT, LABEL, ImageArchive, make_archive, pack
from capnet.record.remote.image.daemon_image import make_for

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the image is made on Linux")


@pytest.fixture(scope="module")
def archive() -> ImageArchive:
    try:
        return make_archive()
    except EnvironmentLacks as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def root(archive: ImageArchive, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root file system, unpacked."""
    folder = tmp_path_factory.mktemp("root")
    with tarfile.open(fileobj=io.BytesIO(_members(archive)["layer.tar"])) as tar:
        tar.extraction_filter = getattr(tarfile, "tar_filter", None)  # Python 3.11.2 has none
        tar.extractall(folder)
    return folder


def _members(archive: ImageArchive) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(archive.data)) as tar:
        return {member.name: content.read() for member in tar if (content := tar.extractfile(member))}


def test_archive_is_what_docker_load_takes(archive: ImageArchive) -> None:
    """Docker image specification v1.2: the configuration is called by its hash, and names that of the layer."""
    members = _members(archive)
    (manifest,) = json.loads(members["manifest.json"])
    configuration = members[manifest["Config"]]
    assert manifest["Config"] == f"{hashlib.sha256(configuration).hexdigest()}.json"
    digest = hashlib.sha256(members[manifest["Layers"][0]]).hexdigest()
    assert json.loads(configuration)["rootfs"]["diff_ids"] == [f"sha256:{digest}"]
    assert json.loads(configuration)["config"]["Labels"] == {LABEL: FORMAT}
    assert manifest["RepoTags"] == [archive.tag] == [f"capnet-capture:{digest[:12]}"]


def test_archive_of_same_programs_is_the_same(archive: ImageArchive) -> None:
    assert make_archive() == archive


def test_image_has_what_captures_need(root: Path) -> None:
    names = {path.name for path in (root / "bin").iterdir()}
    assert set(programs.REQUIRED) <= names
    assert len(names & set(programs.CAPTURE_PROGRAMS)) == 1
    assert all((path.is_symlink() or os.access(path, os.X_OK)) and path.exists() for path in (root / "bin").iterdir())


def test_programs_find_all_libraries_in_the_image(root: Path, archive: ImageArchive) -> None:
    """Asked of the image's own loader, which may look nowhere else."""
    (manifest,) = json.loads(_members(archive)["manifest.json"])
    environment = json.loads(_members(archive)[manifest["Config"]])["config"]["Env"]
    (folders,) = [value.partition("=")[2].split(":") for value in environment if value.startswith("LD_LIBRARY_PATH=")]
    (loader,) = [path for folder in folders for path in (root / folder[1:]).glob("ld-*.so.*")][:1]
    path = ":".join(f"{root}{folder}" for folder in folders)
    listed = 0
    for program in sorted((root / "bin").iterdir()):
        words = [loader, "--inhibit-cache", "--library-path", path, "--list", program]
        printed = subprocess.run(words, capture_output=True, text=True, check=True).stdout
        for line in printed.splitlines():
            if "=>" in line and "linux-vdso" not in line:
                library = line.split("=>")[1].split()[0]
                assert library.startswith(str(root)) or Path(library) == loader.resolve(), line
                listed += 1
    assert listed > 20


def test_image_has_what_its_python_programs_import(root: Path) -> None:
    """api_tunnel.py runs there from its source, as the tracers of rules do."""
    programs = [Path(module.__file__ or "") for module in (api_tunnel, drop_tracer, nfnetlink, rule_tracer)]
    imports = {name for program in programs for name in _imports(program)} - {nfnetlink.__name__}  # given along
    (folder,) = root.glob("lib*/python3.*")
    builtin = {*sys.builtin_module_names, "sys"}
    for name in imports - builtin:
        path = name.replace(".", "/")
        there = [folder / f"{path}.py", folder / path / "__init__.py", *folder.glob(f"lib-dynload/{name}.*.so")]
        assert any(file.exists() for file in there), name


def _imports(program: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(program.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return names


def test_tcpdump_finds_the_user_that_it_becomes(root: Path) -> None:
    users = (root / "etc/passwd").read_text().splitlines()
    assert {"root", "tcpdump"} <= {line.partition(":")[0] for line in users}


def test_machine_without_programs_is_told_what_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "search_path", lambda: str(tmp_path))
    with pytest.raises(EnvironmentLacks, match=r"this machine lacks sh, nsenter, ip, .*tcpdump; install them"):
        programs.collect_files()


def test_program_without_its_library_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ldd (glibc 2.36) prints of a program whose library was removed."""
    (tmp_path / "ldd").write_text(
        "#!/bin/sh\nprintf '\\tlinux-vdso.so.1 (0x00007ffd)\\n\\tlibgone.so.1 => not found\\n'\n"
    )
    (tmp_path / "ldd").chmod(0o755)
    monkeypatch.setattr(programs, "search_path", lambda: f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(EnvironmentLacks, match=r"lacks its library libgone\.so\.1"):
        programs.shared_libraries([Path("/bin/sh")])


UNREADABLE = r"{} cannot be read \((.*)\), which the image is to hold; make it as root: sudo capnet image build"


@pytest.mark.skipif(os.geteuid() != 0, reason="changes the user")
def test_file_that_the_user_may_not_read_is_told(tmp_path: Path) -> None:
    """A user with access to Docker's socket who is not root: an interpreter in root's folder."""
    secret = tmp_path / "python3"
    secret.write_bytes(b"")
    secret.chmod(0o711)
    os.seteuid(65534)
    try:
        with pytest.raises(EnvironmentLacks, match=UNREADABLE.format(".*/python3")) as refused:
            pack(programs.ImageFiles({"/bin/python3": secret}, {}, ()))
    finally:
        os.seteuid(0)
    assert "Permission denied" in str(refused.value)


def test_interpreter_that_cannot_be_asked_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = tmp_path / "python3"
    closed.write_bytes(b"")
    closed.chmod(0o644)
    monkeypatch.setattr(sys, "executable", str(closed))
    with pytest.raises(EnvironmentLacks, match=UNREADABLE.format(closed)):
        programs.collect_files()
    with pytest.raises(EnvironmentLacks, match=r"none can be made here: .*; make it as root: .*; or make it on"):
        make_for({"OSType": "linux", "Architecture": platform.machine()})


@pytest.mark.parametrize(
    ("info", "complaint"),
    [
        ({"OSType": "windows", "Architecture": "x86_64"}, "runs containers of windows"),
        ({"OSType": "linux", "Architecture": "riscv64"}, "runs on riscv64, this machine on .*capnet image save -o"),
    ],
)
def test_daemon_of_another_kind_is_told_the_way(info: dict[str, str], complaint: str) -> None:
    assert platform.machine() != "riscv64"
    with pytest.raises(EnvironmentLacks, match=complaint):
        make_for(info)
