"""Plugins of CNI and programs that scenarios need on their hosts, beside what Docker and captures need."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from capnet.errors import EnvironmentLacks
from capnet.record.remote.docker_host import DockerHost
from capnet.record.remote.shell import ADMINISTRATORS, Shell, search_path
from capnet.scenario.pods import cni
from capnet.scenario.preflight.plan import Plan

_ORIGINS = {  # program: where it comes from
    "kube-proxy": "it is one file, of a release of Kubernetes (https://dl.k8s.io/VERSION/bin/linux/amd64/kube-proxy)",
}


def check_programs(host: DockerHost, plugins: Sequence[str], programs: Sequence[str]) -> None:
    """Raises EnvironmentLacks, saying where to get it, for what the host has not got.

    Without a shell there, nothing is asked.
    """
    if host.shell is None or host.shell.container:
        return
    for plugin in plugins:
        if not _has(host.shell, ":".join(cni.FOLDERS), plugin):
            raise cni.no_plugin(host.name, plugin)
    for program in programs:
        if not _has(host.shell, ":".join(["$PATH", *ADMINISTRATORS]), program):
            raise EnvironmentLacks(f"host {host.name} has no {program} in PATH: {_ORIGINS[program]}")


def missing_here(plan: Plan) -> list[str]:
    """The plugins and programs of a scenario that this machine has not got, in words."""
    plugins = [f"CNI plugin {each}" for each in plan.plugins if not shutil.which(each, path=":".join(cni.FOLDERS))]
    return plugins + [program for program in plan.programs if not shutil.which(program, path=search_path())]


def _has(shell: Shell, path: str, program: str) -> bool:
    try:
        shell.run(["sh", "-c", f'PATH="{path}"; command -v "$1"', "sh", program])
    except EnvironmentLacks:
        return False
    return True
