"""The lab's only image, made of this machine's static busybox: the lab has no way to a registry."""

from __future__ import annotations

import io
import subprocess
import tarfile
from pathlib import Path

from capnet.lab.addressing import IMAGE, LabHost
from capnet.record.remote.docker_host import docker_client

_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
}
_FOLDERS = {"bin": 0o755, "etc": 0o755, "root": 0o700, "tmp": 0o1777, "var": 0o755}


def root_file_system(busybox: Path) -> bytes:
    """A tar archive: busybox and a link to it for each of its applets."""
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, mode in _FOLDERS.items():
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, mode
            archive.addfile(folder)
        program = busybox.read_bytes()
        contents = {"bin/busybox": program, **{name: text.encode() for name, text in _FILES.items()}}
        for name, content in contents.items():
            file = tarfile.TarInfo(name)
            file.size, file.mode = len(content), 0o755 if content is program else 0o644
            archive.addfile(file, io.BytesIO(content))
        for applet in applets:
            if applet == "busybox":
                continue
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname, link.mode = tarfile.SYMTYPE, "busybox", 0o777
            archive.addfile(link)
    return buffer.getvalue()


def load(host: LabHost, archive: bytes) -> None:
    """Imports the archive as the image `busybox:latest` of the host."""
    repository, _, tag = IMAGE.partition(":")
    opened = docker_client(host.docker_url, timeout=60)
    try:
        opened.api.import_image_from_data(archive, repository=repository, tag=tag, changes=['CMD ["sh"]'])
    finally:
        opened.close()
