"""CNI plugins, driven as a container runtime drives them (CNI specification 0.4.0).

A plugin is a program: variables say what to do, standard input is its configuration, standard output its result. The
next one of the list gets that result as `prevResult`. Each ADD has its DEL, which takes everything back.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from capnet.errors import EnvironmentLacks, ScenarioFailed
from capnet.scenario.docker.host_programs import HostPrograms

VERSION = "0.4.0"
FOLDERS = ("/opt/cni/bin", "/usr/lib/cni", "/usr/libexec/cni")  # of upstream's archives, Debian, Fedora
_MISSING = 127  # exit status of a shell that finds no such program

Plugin = Mapping[str, Any]  # its part of a network's configuration list


@dataclass(frozen=True)
class Attachment:
    """A network namespace, the file `netns`, that the plugins of a network give an interface eth0."""

    network: str
    plugins: Sequence[Plugin]
    container: str  # the id by which plugins know it
    netns: str

    def add(self, programs: HostPrograms, host: str) -> dict[str, Any]:
        """The result of the last plugin. `host` is the name of the one that the programs are on.

        EnvironmentLacks where the host has not got a plugin, ScenarioFailed with the words of one that refuses.
        """
        result: dict[str, Any] = {}
        for plugin in self.plugins:
            status, printed = programs.attempt(self._command("ADD", plugin, result))
            answer = _answer(printed)
            if status == _MISSING:
                raise no_plugin(host, plugin["type"])
            if status != 0 or not answer:
                raise ScenarioFailed(f"{host}: CNI plugin {plugin['type']}: {answer.get('msg') or printed.strip()}")
            result = answer
        return result

    def deletion(self) -> str:
        """The shell script that takes all of it back, the last plugin's part first."""
        return "; ".join(self._command("DEL", plugin, {}) for plugin in reversed(self.plugins))

    def _command(self, do: str, plugin: Plugin, result: Mapping[str, Any]) -> str:
        """The shell command that runs a plugin of the first folder that has it; status 127 if none has.

        Looked for there alone: iproute2 has a program `bridge`, too.
        """
        previous = {"prevResult": result} if result else {}
        config = {"cniVersion": VERSION, "name": self.network, **plugin, **previous}
        folders = ":".join(FOLDERS)
        variables = {
            "CNI_COMMAND": do, "CNI_CONTAINERID": self.container, "CNI_NETNS": self.netns, "CNI_IFNAME": "eth0",
            "CNI_PATH": folders,
        }  # fmt: skip
        settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in variables.items())
        find = f'plugin=$(PATH="{folders}" command -v {plugin["type"]}) || exit {_MISSING}'
        return f'({find}; printf %s {shlex.quote(json.dumps(config))} | {settings} "$plugin")'


def no_plugin(host: str, plugin: str) -> EnvironmentLacks:
    """What to raise where a host has not got a plugin."""
    return EnvironmentLacks(
        f"host {host} has no CNI plugin {plugin} in {', '.join(FOLDERS)}: install containernetworking-plugins (Debian, "
        "Fedora), or an archive of github.com/containernetworking/plugins"
    )


def _answer(printed: str) -> dict[str, Any]:
    """The JSON object that a plugin printed; empty if it printed something else."""
    try:
        answer = json.loads(printed)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}
