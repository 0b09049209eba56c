"""Daemon settings that one scenario needs and others do not: the daemons start again with them, and again without.

Only a daemon that has other settings starts again, so asking for what is there costs nothing, and whatever a killed
run left is put right by the next one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from capnet.errors import UsageError
from capnet.lab import commands, daemon, processes, record
from capnet.lab.plan import Lab, LabHost
from capnet.record.host import docker_client


@contextmanager
def applied(
    lab: Lab, wanted: Mapping[str, Any], progress: Callable[[str], None], *, keep: bool = False
) -> Iterator[None]:
    """While the block runs, both daemons of a running lab have these settings (keys of daemon.json), no others.

    With `keep` they keep them if the block ends well.
    """
    apply(lab, wanted, progress)
    try:
        yield
    except BaseException:
        keep = False
        raise
    finally:
        if not keep:
            apply(lab, {}, progress)


def apply(lab: Lab, wanted: Mapping[str, Any], progress: Callable[[str], None]) -> None:
    """Starts those daemons again whose settings are others. UsageError if a container runs on one of them."""
    other = [host for host in lab.hosts.values() if daemon.settings(host) != wanted]
    if not other:
        return
    for host in other:
        _nothing_runs(host)
    names = " and ".join(host.name for host in other)
    said = ", ".join(f"{key}={json.dumps(value)}" for key, value in wanted.items()) or "the usual settings"
    progress(f"Docker of {names} starts again with {said}")
    with record.locked(lab.folder, progress) as lock:
        made = record.read(lab.folder)
        assert made is not None  # the lab runs
        processes.end_daemons(other)
        for host in other:
            _forget(host, lock)
        pids = {host.name: daemon.start(host, made, lock, wanted) for host in other}
        for host in other:
            daemon.wait(host, pids[host.name])


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


def _nothing_runs(host: LabHost) -> None:
    opened = docker_client(host.docker_url, timeout=30)
    try:
        running = sorted(container.name for container in opened.containers.list(ignore_removed=True))
    finally:
        opened.close()
    if running:
        raise UsageError(
            f"Docker of host {host.name} must start again with other settings, and {', '.join(running)} runs there: "
            "stop it, or use another lab (CAPNET_LAB_DIR)"
        )
