"""Starting the daemons again: with settings that one scenario needs and others do not, and when they are stuck.

Only a daemon that has other settings starts again, so asking for what is there costs nothing, and whatever a killed
run left is put right by the next one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from capnet.errors import CapnetError, EnvironmentLacks, UsageError
from capnet.interrupts import Interruptible
from capnet.lab import commands, lab_lock, record
from capnet.lab.addressing import Lab, LabHost
from capnet.lab.daemon import dockerd, processes
from capnet.record.find.listening_ports import listening_ports
from capnet.record.remote.docker_host import docker_client
from capnet.record.remote.shell import Shell
from capnet.wire.numbers import PORT_SWARM_GOSSIP


@contextmanager
def applied(
    lab: Lab, wanted: Mapping[str, Any], progress: Callable[[str], None], *, keep: bool = False
) -> Iterator[None]:
    """While the block runs, both daemons of a running lab have these settings (keys of dockerd.json), no others.

    With `keep` they keep them if the block ends well. When it fails, its error goes on, also where a daemon has died or
    the lab was removed, so that there are no settings to take back.
    """
    ended_well = False
    try:
        apply(lab, wanted, progress)
        yield
        ended_well = True
    finally:
        if ended_well and not keep:
            apply(lab, {}, progress)
        elif not ended_well:
            with suppress(*_gone()):  # the next run puts right whatever is left
                apply(lab, {}, progress)


def _gone() -> tuple[type[Exception], ...]:
    """What a lab gives that was removed, or whose daemon has died."""
    import requests
    from docker.errors import DockerException

    return CapnetError, OSError, DockerException, requests.RequestException


def apply(lab: Lab, wanted: Mapping[str, Any], progress: Callable[[str], None]) -> None:
    """Starts those daemons again whose settings are others. UsageError if a container runs on one of them."""
    other = [host for host in lab.hosts.values() if dockerd.settings(host) != wanted]
    if not other:
        return
    for host in other:
        _nothing_runs(host)
    settings = ", ".join(f"{key}={json.dumps(value)}" for key, value in wanted.items()) or "the usual settings"
    progress(f"Docker of {_names(other)} starts again with {settings}")
    _start_again(lab, other, wanted, progress)


def mend(lab: Lab, progress: Callable[[str], None]) -> None:
    """Starts those daemons again that can enter no swarm any more. One on which a container runs is left alone.

    When a daemon leaves a swarm it tells the others, for 1 s: if that did not suffice (4 messages, one each 0.2 s), it
    goes on to listen on the port of gossip for ever (libnetwork, networkdb/cluster.go, clusterLeave). In the next swarm
    it cannot listen there, and is on no network.
    """
    stuck = [host for host in lab.hosts.values() if _keeps_the_port_of_gossip(host) and not _running(host)]
    if not stuck:
        return
    progress(f"Docker of {_names(stuck)} starts again: it kept port {PORT_SWARM_GOSSIP} when it left a swarm")
    for host in stuck:
        _start_again(lab, [host], dockerd.settings(host), progress)


def _start_again(lab: Lab, hosts: list[LabHost], wanted: Mapping[str, Any], progress: Callable[[str], None]) -> None:
    """An interrupt waits until they answer again: a lab whose daemon is down is made anew by the next `up`."""
    with lab_lock.locked(lab.folder, progress) as lock, Interruptible() as interruptible:
        interruptible.no_more()
        made = record.read(lab.folder)
        if made is None:
            raise EnvironmentLacks(f"the lab in {lab.folder} was removed meanwhile")
        processes.end_daemons(hosts)
        for host in hosts:
            _forget(host, lock)
        pids = {host.name: dockerd.start(host, made, lock, wanted) for host in hosts}
        for host in hosts:
            dockerd.wait(host, pids[host.name])


def _names(hosts: list[LabHost]) -> str:
    return " and ".join(host.name for host in hosts)


def _keeps_the_port_of_gossip(host: LabHost) -> bool:
    if PORT_SWARM_GOSSIP not in listening_ports(Shell("self"), str(host.netns)):
        return False
    opened = docker_client(host.docker_url, timeout=30)
    try:
        return bool(opened.info()["Swarm"]["LocalNodeState"] == "inactive")
    finally:
        opened.close()


def _forget(host: LabHost, lock: int) -> None:
    """Removes what a daemon leaves behind for the next one and what that, with other settings, would not take away.

    Without a userland proxy dockerd has one more rule of masquerade, and docker0 routes 127.0.0.1; all of it is
    made anew when it starts.
    """
    inside = ["nsenter", f"--net={host.netns}", "--"]
    for table in ("nat", "filter"):
        for action in ("-F", "-X"):
            commands.run([*inside, "iptables", "-t", table, action], lock)
    commands.attempt([*inside, "ip", "link", "delete", "docker0"], lock)  # it has none if it never started


def _running(host: LabHost) -> list[str]:
    """The containers that run on it."""
    opened = docker_client(host.docker_url, timeout=30)
    try:
        return sorted(container.name for container in opened.containers.list(ignore_removed=True))
    finally:
        opened.close()


def _nothing_runs(host: LabHost) -> None:
    if running := _running(host):
        raise UsageError(
            f"Docker of host {host.name} must start again with other settings, and {', '.join(running)} runs there: "
            "stop it, or use another lab (CAPNET_LAB_DIR)"
        )
