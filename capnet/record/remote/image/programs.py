"""Which programs of this machine the capture image holds, and the files that they need to run.

Input: PATH. Output: files by their path in the image. Method: ldd(1) names the shared libraries and the loader, which
keep their paths; a program lies in /bin under its name.
Limits: programs for Linux, of this machine's processor. A program that is missing is left out, unless nothing works
without it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from capnet.errors import EnvironmentLacks
from capnet.quick_tuple import NamedTuple
from capnet.record.remote.image.interpreter import interpreter_files
from capnet.record.remote.shell import search_path

REQUIRED = ("sh", "nsenter", "ip", "cat", "date", "grep", "head", "ls", "stat", "true")
CAPTURE_PROGRAMS = ("dumpcap", "tcpdump")  # the first that is there: it is the better one
OPTIONAL = (
    *("bridge", "tc", "ss", "conntrack", "nft", "ipvsadm", "ethtool", "unshare", "modprobe"),
    *(
        "iptables",
        "iptables-save",
        "ip6tables",
        "ip6tables-save",
        "iptables-legacy-save",
        "ip6tables-legacy-save",
        "ebtables-nft-save",
    ),
    *("xtables-monitor", "kill", "mkdir", "mount", "readlink", "rmdir", "sleep", "sort", "sysctl", "tail", "umount"),
)
PLUGINS = "xtables"  # folder beside the libraries in which iptables looks for its extensions

_LIBRARY = re.compile(r"^\s(?:\S+ => )?(/\S+) \(0x[0-9a-f]+\)$", re.MULTILINE)
_LACKING = re.compile(r"^\s(\S+) => not found$", re.MULTILINE)


class ImageFiles(NamedTuple):
    """What the image holds: path in it → file here; path in it → target of a symbolic link; folders of libraries."""

    files: dict[str, Path]
    links: dict[str, str]
    library_folders: tuple[str, ...]


def collect_files() -> ImageFiles:
    """The files of the image. EnvironmentLacks where this machine lacks what every capture needs."""
    if not sys.platform.startswith("linux"):
        raise EnvironmentLacks("this machine has no programs for Linux")
    programs = _find_programs()
    files: dict[str, Path] = {}
    links: dict[str, str] = {}
    for name, path in programs.items():
        real = Path(os.path.realpath(path))
        files[f"/bin/{real.name}"] = real
        if real.name != name:
            links[f"/bin/{name}"] = real.name
    try:
        files |= interpreter_files()
    except OSError as error:
        raise cannot_read(Path(sys.executable), error) from error
    libraries = shared_libraries(file for file in files.values() if file.suffix != ".py")
    files |= {library: Path(os.path.realpath(library)) for library in libraries}
    if "iptables-save" in programs:
        files |= {f"/lib/{PLUGINS}/{plugin.name}": plugin for plugin in _plugins(libraries)}
    return ImageFiles(files, links, tuple(sorted({str(Path(library).parent) for library in libraries})))


def cannot_read(file: Path, error: OSError) -> EnvironmentLacks:
    """The error for a file of the image that this user may not read."""
    return EnvironmentLacks(
        f"{file} cannot be read ({error.strerror}), which the image is to hold; make it as root: "
        "sudo capnet image build"
    )


def shared_libraries(programs: Iterable[Path]) -> list[str]:
    """Paths of the shared libraries of these programs, and of the loader. EnvironmentLacks for one that is missing."""
    # ldd answers in English, and asks the loader of each program; a static one has nothing to say.
    try:
        done = subprocess.run(
            ["ldd", *map(str, programs)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env={"PATH": search_path(), "LC_ALL": "C"},
        )
    except OSError as error:
        raise EnvironmentLacks(f"ldd cannot be run ({error.strerror}); install it (libc-bin)") from error
    if lacking := _LACKING.search(done.stdout):
        raise EnvironmentLacks(f"a program of this machine lacks its library {lacking[1]}")
    return sorted(set(_LIBRARY.findall(done.stdout)))


def _plugins(libraries: Iterable[str]) -> list[Path]:
    """The extensions of iptables: the folder lies beside real libraries, /lib may be a link to /usr/lib."""
    folders = {Path(os.path.realpath(library)).parent for library in libraries}
    return sorted(plugin for folder in folders for plugin in (folder / PLUGINS).glob("lib*.so"))


def _find_programs() -> dict[str, Path]:
    """Name → path of the programs that are there and may be read."""
    programs = {name: Path(path) for name in (*REQUIRED, *OPTIONAL) if (path := _find(name))}
    capture = next(((name, path) for name in CAPTURE_PROGRAMS if (path := _find(name))), None)
    missing = [name for name in REQUIRED if name not in programs] + ([] if capture else ["tcpdump"])
    if missing or capture is None:
        raise EnvironmentLacks(f"this machine lacks {', '.join(missing)}; install them")
    return programs | {capture[0]: Path(capture[1])}


def _find(name: str) -> str | None:
    path = shutil.which(name, path=search_path())
    return path if path and os.access(path, os.R_OK) else None
