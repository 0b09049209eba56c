"""The capture image as an archive that `docker load` and `podman load` take.

Output: a tar with one layer, its configuration and a manifest (Docker image specification v1.2). The same programs
make the same archive: nothing in it depends on when, where or by whom it was made. Its tag is the layer's hash.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping
from pathlib import Path

from capnet.quick_tuple import NamedTuple
from capnet.record.remote.image.programs import PLUGINS, ImageFiles, cannot_read, collect_files

REPOSITORY = "capnet-capture"
LABEL = "capnet.capture"  # = FORMAT on each image that a capture container can be made of
FORMAT = "2"  # another number when capnet needs what older images lack

# As Go's runtime.GOARCH calls what uname(2) calls otherwise.
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
_FOLDERS = ("dev", "etc", "proc", "root", "run", "sys", "tmp")
# tcpdump gives up root for a user of this name.
_USERS = {
    "etc/passwd": "root:x:0:0::/root:/bin/sh\ntcpdump:x:100:100::/:/bin/false\nnobody:x:65534:65534::/:/bin/false\n",
    "etc/group": "root:x:0:\ntcpdump:x:100:\nnogroup:x:65534:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\n",
}


class ImageArchive(NamedTuple):
    """An image: its tag, and the bytes of the archive."""

    tag: str
    data: bytes


def make_archive() -> ImageArchive:
    """The capture image made of this machine's programs. EnvironmentLacks for what lacks or is unreadable."""
    return pack(collect_files())


def pack(content: ImageFiles) -> ImageArchive:
    """The archive that holds these files."""
    layer = _layer(content)
    digest = hashlib.sha256(layer).hexdigest()
    tag = f"{REPOSITORY}:{digest[:12]}"
    environment = [
        "PATH=/bin",
        f"LD_LIBRARY_PATH={':'.join(content.library_folders)}",  # no ld.so.cache tells where they are
        f"XTABLES_LIBDIR=/lib/{PLUGINS}",
        "PYTHONHOME=/",
        "LC_ALL=C",
    ]
    configuration = json.dumps(
        {
            "architecture": ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {"Env": environment, "Cmd": ["sh"], "Labels": {LABEL: FORMAT}},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "capnet image"}],
        }
    ).encode()
    config_name = f"{hashlib.sha256(configuration).hexdigest()}.json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": [tag], "Layers": ["layer.tar"]}]).encode()
    return ImageArchive(tag, _tar({"layer.tar": layer, config_name: configuration, "manifest.json": manifest}))


def _layer(content: ImageFiles) -> bytes:
    """The root file system: folders before what is in them, all of it root's."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.GNU_FORMAT) as tar:
        names = {path.lstrip("/") for path in (*content.files, *content.links)}
        folders = {"/".join(name.split("/")[:depth]) for name in names for depth in range(1, name.count("/") + 1)}
        for folder in sorted(folders | set(_FOLDERS)):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        for path in sorted(content.files):
            _add(tar, path.lstrip("/"), _content(content.files[path]), 0o755)
        for path in sorted(content.links):
            link = tarfile.TarInfo(path.lstrip("/"))
            link.type, link.linkname, link.mode = tarfile.SYMTYPE, content.links[path], 0o777
            tar.addfile(link)
        for name, text in _USERS.items():
            _add(tar, name, text.encode(), 0o644)
    return archive.getvalue()


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise cannot_read(file, error) from error


def _tar(files: Mapping[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in files.items():
            _add(tar, name, data, 0o644)
    return archive.getvalue()


def _add(tar: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.size = mode, len(data)
    tar.addfile(entry, io.BytesIO(data))
