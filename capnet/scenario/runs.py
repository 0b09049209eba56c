"""Whose is it? Run ids, the labels that carry them, and removing what a dead run left.

A run is one `capnet scenario NAME`. Its id says which process on which boot of which machine it is, so that
anyone can tell later whether it still lives: `kill -9` leaves labelled things behind, nothing else.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from capnet.record.host import DockerHost
from capnet.scenario.wait import until

MADE = "capnet"  # = 1 on everything that capnet makes
RUN = "capnet.run"  # = the run's id
KEEP = "capnet.keep"  # = 1: --keep; only `capnet scenario clean` removes it

_FOLDER = "capnet-"  # temporary folders: this and the run's id


def new_run() -> str:
    """`<boot>-<pid>-<start>`: 8 digits of the machine's boot id, the process and its start time in clock ticks."""
    return f"{_boot()}-{os.getpid()}-{_started(os.getpid())}"


def labels(run: str, *, keep: bool = False) -> dict[str, str]:
    return {MADE: "1", RUN: run} | ({KEEP: "1"} if keep else {})


def fate(run: str) -> str:
    """`alive`, `dead`, or `unknown`: another machine's, or from before this one was started again."""
    boot, _, process = run.partition("-")
    pid, _, started = process.partition("-")
    if boot != _boot() or not pid.isdigit():
        return "unknown"
    return "alive" if _started(int(pid)) == started else "dead"


def folder(run: str) -> Path:
    """A new private folder for the run's temporary files."""
    path = Path(tempfile.gettempdir()) / f"{_FOLDER}{run}"
    path.mkdir(mode=0o700)
    return path


def remove(hosts: Sequence[DockerHost], which: Callable[[dict[str, str]], bool]) -> list[str]:
    """Removes what capnet made and whose labels `which` accepts: containers, swarms, networks, images.

    Returns a line per thing removed. What somebody else removed meanwhile is no error.
    """
    gone = []
    for host in hosts:
        for container in host.client.containers.list(all=True, filters=_made(), ignore_removed=True):
            if which(container.labels):
                remove_container(container)
                gone.append(f"container {container.name} on {host.name}")
    gone += _dissolve_swarms(hosts, which)  # their overlay networks go with them
    for host in hosts:
        for network in host.client.networks.list(filters=_made()):
            if which(network.attrs.get("Labels") or {}):
                remove_network(network)
                gone.append(f"network {network.name} on {host.name}")
    for host in hosts:
        for image in host.client.images.list(filters=_made()):
            if which(image.labels):
                host.client.images.remove(image.id, force=True)
                gone.append(f"image {' '.join(image.tags)} on {host.name}")
    return gone


def remove_container(container: Any) -> None:
    from docker.errors import NotFound

    with contextlib.suppress(NotFound):
        container.remove(force=True, v=True)


def remove_network(network: Any) -> None:
    """Docker counts a network as used until the swarm has heard that its containers are gone: so try again."""
    from docker.errors import APIError, NotFound

    def gone() -> bool:
        try:
            network.remove()
        except NotFound:
            return True
        except APIError as error:
            if error.status_code in (400, 403, 409, 500):
                return False
            raise
        return True

    until(gone, f"network {network.name} can be removed", within=20)


def remove_folders(which: Callable[[str], bool]) -> list[str]:
    """Removes this machine's temporary folders of the runs that `which` accepts."""
    gone = []
    for path in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*-*-*"):
        if path.is_dir() and which(path.name.removeprefix(_FOLDER)):
            shutil.rmtree(path, ignore_errors=True)
            gone.append(f"folder {path}")
    return gone


def sweep(hosts: Sequence[DockerHost], *, kept: bool = False, unknown: bool = False) -> list[str]:
    """Removes what dead runs left; with `kept` also what --keep was to leave, with `unknown` other machines' too."""

    def theirs(run: str) -> bool:
        state = fate(run)
        return state == "dead" or (unknown and state == "unknown")

    def which(found: dict[str, str]) -> bool:
        return theirs(found.get(RUN, "")) and (kept or KEEP not in found)

    return remove(hosts, which) + remove_folders(theirs)


def _dissolve_swarms(hosts: Sequence[DockerHost], which: Callable[[dict[str, str]], bool]) -> list[str]:
    """Swarms whose own label says that capnet made them: the other hosts leave, then the manager."""
    managers, members = [], set()
    for host in hosts:
        if host.client.info()["Swarm"].get("ControlAvailable"):
            found = host.client.api.inspect_swarm()["Spec"].get("Labels") or {}
            if MADE in found and which(found):
                managers.append(host)
                members |= {node.id for node in host.client.nodes.list()}
    workers = [host for host in hosts if host not in managers and host.client.info()["Swarm"].get("NodeID") in members]
    for host in [*workers, *managers]:
        host.client.swarm.leave(force=True)
    return [f"swarm membership of {host.name}" for host in [*workers, *managers]]


def _made() -> dict[str, str]:
    return {"label": f"{MADE}=1"}


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    except OSError:  # not Linux: then only --all can tell
        return "00000000"


def _started(pid: int) -> str | None:
    """Field 22 of /proc/PID/stat (proc(5)), counted from behind the command, which may hold anything."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return None
