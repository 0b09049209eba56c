"""What this machine must have for a lab, checked before anything is made."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

from capnet.errors import EnvironmentLacks
from capnet.record.remote import shell

PACKAGES = {  # program: Debian package
    "dockerd": "docker.io",
    "containerd": "containerd",
    "runc": "runc",
    "iptables": "iptables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "mount": "mount",
}

_KERNEL = {  # command to try in a namespace of its own: what to do when the kernel refuses
    "ip link add name probe0 type bridge": "bridges in the kernel (modprobe bridge)",
    "ip link add name probe1 type veth peer name probe2": "veth pairs in the kernel (modprobe veth)",
    "iptables -t nat -A POSTROUTING -j MASQUERADE": "NAT in the kernel (modprobe nf_nat xt_MASQUERADE)",
}

_PT_INTERP = 3  # elf(5): the program asks for a dynamic linker


def missing_programs() -> dict[str, str]:
    """What the lab needs and this machine has not: {program: Debian package}."""
    packages = {program: package for program, package in PACKAGES.items() if not find(program)}
    if static_busybox() is None:
        packages["a static busybox"] = "busybox-static"
    return packages


def check(*, kernel: bool = True, more: Mapping[str, str] | None = None) -> None:
    """Raises EnvironmentLacks naming everything that is missing, and how to get it.

    Without `kernel` this machine's own kernel may lack what it likes; `more` is missing beside the usual.
    """
    if not sys.platform.startswith("linux"):
        raise EnvironmentLacks("the lab needs Linux: it is made of network namespaces")
    packages = missing_programs() | dict(more or {})
    missing = list(packages)
    if os.geteuid() != 0:
        missing.append("root (use sudo)")
    elif kernel and "ip" not in packages and "unshare" not in packages:
        missing += _missing_in_kernel(packages)
    if not missing:
        return
    advice = f"; apt-get install {' '.join(sorted(set(packages.values())))}" if packages else ""
    raise EnvironmentLacks(f"the lab lacks {', '.join(missing)}{advice}")


def root() -> None:
    """Raises EnvironmentLacks unless root runs this: the lab's folder and namespaces are root's."""
    if os.geteuid() != 0:
        raise EnvironmentLacks("the lab needs root (use sudo)")


def find(program: str) -> str | None:
    """The program's path, searched for in PATH and the administrator's folders."""
    return shutil.which(program, path=shell.search_path())


def environment() -> dict[str, str]:
    """The environment of the programs the lab starts: ours, with the administrator's folders in PATH."""
    return {**shell.program_environment(), "LC_ALL": "C"}


def static_busybox() -> Path | None:
    """A busybox that needs no library, hence can be the only file of an image."""
    for candidate in (find("busybox"), "/usr/bin/busybox", "/bin/busybox", "/bin/busybox.static"):
        if candidate and _is_static(Path(candidate)):
            return Path(candidate).resolve()
    return None


def _missing_in_kernel(absent_programs: Collection[str]) -> list[str]:
    if not _works("true"):
        return ["the right to make namespaces (inside a container: docker run --privileged)"]
    asked = {question: advice for question, advice in _KERNEL.items() if question.split()[0] not in absent_programs}
    return [advice for question, advice in asked.items() if not _works(question)]


def _works(question: str) -> bool:
    command = ["unshare", "--net", "--mount", "sh", "-c", question]
    return subprocess.run(command, env=environment(), capture_output=True, check=False).returncode == 0


def _is_static(program: Path) -> bool:
    """Whether the 64-bit or 32-bit ELF file has no PT_INTERP program header (elf(5))."""
    try:
        content = program.read_bytes()
        if content[:4] != b"\x7fELF":
            return False
        order = "<" if content[5] == 1 else ">"
        if content[4] == 2:
            (table,) = struct.unpack_from(order + "Q", content, 32)
            size, count = struct.unpack_from(order + "HH", content, 54)
        else:
            (table,) = struct.unpack_from(order + "I", content, 28)
            size, count = struct.unpack_from(order + "HH", content, 42)
        kinds = [struct.unpack_from(order + "I", content, table + index * size)[0] for index in range(count)]
    except (OSError, struct.error):
        return False
    return bool(kinds) and _PT_INTERP not in kinds
