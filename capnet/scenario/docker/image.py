"""The image that scenarios run: there already, pulled, or made of this machine's static busybox."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from capnet.errors import EnvironmentLacks, UsageError
from capnet.record.remote.docker_host import DockerHost
from capnet.scenario.docker.removal import remove_image

DEFAULT = "busybox"

_BUSYBOX = Path("/bin/busybox")  # Debian's busybox-static


def ensure(host: DockerHost, image: str, labels: dict[str, str], undo: ExitStack, say: Callable[[str], None]) -> None:
    """Makes `image` present on the host; what was not there before is removed by `undo`."""
    import docker

    try:
        host.client.images.get(image)
        return
    except docker.errors.ImageNotFound:
        pass
    except docker.errors.APIError as error:
        if error.status_code != 400:
            raise
        raise UsageError(f"--image {image}: that is no name of an image ({error.explanation})") from error
    except docker.errors.NullResource as error:
        raise UsageError("--image: a name is missing") from error
    repository, _, tag = image.partition(":")
    try:
        say(f"{host.name}: pull image {image}")
        host.client.images.pull(repository, tag=tag or "latest")
    except docker.errors.APIError as error:
        if image != DEFAULT:
            raise EnvironmentLacks(
                f"host {host.name} has no image {image} and cannot pull it ({error.explanation}); "
                "name another with --image"
            ) from error
        say(f"{host.name}: no registry answers; make {image} of {_BUSYBOX}")
        changes = [f"LABEL {key}={value}" for key, value in labels.items()]
        host.client.api.import_image_from_data(
            busybox_root(), repository=repository, tag=tag or "latest", changes=[*changes, 'CMD ["sh"]']
        )
    undo.callback(remove_image, host.client, image)


def busybox_root() -> bytes:
    """A root file system of nothing but static busybox and the links to its applets, as a tar archive."""
    if not _BUSYBOX.exists() or b"ld-linux" in _BUSYBOX.read_bytes()[:4096]:
        raise EnvironmentLacks(
            f"no image, no registry, and no static {_BUSYBOX} to make one of: install busybox-static, "
            "or name an image that is there with --image"
        )
    applets = subprocess.run([_BUSYBOX, "--list"], capture_output=True, text=True, check=True).stdout.split()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in ("bin", "dev", "etc", "proc", "root", "srv", "sys", "tmp"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            tar.addfile(folder)
        program = tarfile.TarInfo("bin/busybox")
        program.mode, program.size = 0o755, _BUSYBOX.stat().st_size
        with _BUSYBOX.open("rb") as content:
            tar.addfile(program, content)
        for applet in applets:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            if applet != "busybox":
                tar.addfile(link)
        for name, text in (("etc/passwd", "root:x:0:0::/root:/bin/sh\n"), ("etc/group", "root:x:0:\n")):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            tar.addfile(entry, io.BytesIO(text.encode()))
    return archive.getvalue()
