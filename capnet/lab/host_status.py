"""What each host of a running lab does, for `capnet lab status`."""

from __future__ import annotations

from dataclasses import dataclass

from capnet.lab import addressing, record, requirements
from capnet.lab.addressing import LabHost
from capnet.lab.daemon import dockerd


@dataclass(frozen=True)
class HostStatus:
    """The state of one host; the last three fields are None when its daemon is down."""

    host: LabHost
    version: str | None
    running_containers: int | None = None
    swarm: str | None = None


def host_status() -> list[HostStatus] | None:
    """The state of each host; None where there is no lab. For a native lab (see `lab.current`)."""
    lab = addressing.chosen()
    requirements.root()
    if record.read(lab.folder) is None:
        return None
    rows = []
    for host in lab.hosts.values():
        info = dockerd.info(host)
        if info is None:
            rows.append(HostStatus(host, None))
            continue
        swarm = info["Swarm"]["LocalNodeState"]
        if swarm == "active":
            swarm = "manager" if info["Swarm"]["ControlAvailable"] else "worker"
        rows.append(HostStatus(host, info["ServerVersion"], info["ContainersRunning"], swarm))
    return rows
