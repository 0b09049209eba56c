"""Wireshark as it is installed: its version, whether it has Lua, and the folders that it reads.

Method: `tshark --version` and `tshark -G folders`, whose labels are those of Help → About Wireshark → Folders;
`wireshark` answers the same where there is no tshark.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from shutil import which

from capnet.errors import EnvironmentLacks
from capnet.quick_tuple import NamedTuple
from capnet.record.remote.shell import program_environment, search_path

_PROGRAMS = ("tshark", "wireshark")
_ANSWERS_WITHIN = 30.0  # seconds; the first start of a day reads much from the disk
_EXTCAP_VARIABLE = "WIRESHARK_EXTCAP_DIR"


class Wireshark(NamedTuple):
    """`lua` is the version of Lua in it, None without; `folders` by label, such as `Personal Plugins`."""

    program: str
    version: str
    lua: str | None
    folders: dict[str, Path]

    @property
    def profiles(self) -> Path | None:
        """The folder of the personal profiles."""
        personal = self.folders.get("Personal configuration")
        return personal / "profiles" if personal else None

    @property
    def lua_plugins(self) -> Path | None:
        """The folder of the personal Lua plugins; versions before 4 call it by another name."""
        return self.folders.get("Personal Lua Plugins") or self.folders.get("Personal Plugins")

    @property
    def personal_extcap(self) -> Path | None:
        """The personal folder of extcap programs, None where this version reads the global one only."""
        return self.folders.get("Personal Extcap path") or self._folder_of_variable()

    @property
    def global_extcap(self) -> Path | None:
        """The folder of extcap programs for all users, None where this version has no extcap."""
        return self.folders.get("Global Extcap path") or self.folders.get("Extcap path")

    @property
    def global_colors(self) -> Path | None:
        """The file of Wireshark's own colouring rules, which a profile with rules of its own replaces."""
        folder = self.folders.get("Global configuration")
        return folder / "colorfilters" if folder else None

    def _folder_of_variable(self) -> Path | None:
        """WIRESHARK_EXTCAP_DIR, where Wireshark says that it reads it: not as root."""
        folder = os.environ.get(_EXTCAP_VARIABLE)
        return Path(folder) if folder and self.folders.get("Extcap path") == Path(folder) else None


def find_wireshark() -> Wireshark:
    """The Wireshark of this machine. Raises EnvironmentLacks where there is none, or where it does not answer."""
    path = next(filter(None, (which(program, path=search_path()) for program in _PROGRAMS)), None)
    if path is None:
        raise EnvironmentLacks("neither tshark nor wireshark is installed (Debian: apt install wireshark tshark)")
    return parse(path, _answer(path, "--version"), _answer(path, "-G", "folders"))


def default_wireshark() -> Wireshark:
    """Where Wireshark 4 keeps the files of this user, for a machine from which it was removed."""
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "wireshark"
    plugins = Path.home() / ".local/lib/wireshark/plugins"
    return Wireshark("wireshark", "?", "?", {"Personal configuration": config, "Personal Lua Plugins": plugins})


def parse(path: str, version: str, folders: str) -> Wireshark:
    """What the program at `path` prints for --version and for -G folders, as facts."""
    words = " ".join(version.split())
    number = re.search(r"\(Wireshark\) (\d[\w.-]*\w)|[Ww]ireshark (\d[\w.-]*\w)", words)
    lua = re.search(r"(?:with |\+)Lua (\d[\w.]*\d)", words)
    pairs = (line.partition("\t") for line in folders.splitlines())
    return Wireshark(
        program=path,
        version=next(filter(None, number.groups())) if number else "?",
        lua=lua[1] if lua else None,
        folders={label.strip().removesuffix(":"): Path(folder.strip()) for label, _, folder in pairs if folder},
    )


def _answer(path: str, *words: str) -> str:
    try:
        done = subprocess.run(
            [path, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=program_environment(),
            timeout=_ANSWERS_WITHIN,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentLacks(f"{path} {' '.join(words)}: {error}") from error
    if done.returncode:
        complaint = next(iter(done.stderr.strip().splitlines()[-1:]), f"exit status {done.returncode}")
        raise EnvironmentLacks(f"{path} {' '.join(words)}: {complaint}")
    return done.stdout
