"""What a lab consists of: names and addresses, all derived from the folder where it keeps its state.

         capnet-lan                        (a network namespace: the wire and its router)
  ┌── lan0 192.168.111.1 ──┐               a bridge; forwards, but knows no other network
  to-A                   to-B
  │                        │               veth pairs
ens33                    ens33
192.168.111.128          192.168.111.129
capnet-A                 capnet-B          (network namespaces, each with a dockerd of its own)
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from capnet.errors import UsageError

FOLDER_VARIABLE = "CAPNET_LAB_DIR"
DEFAULT_FOLDER = Path("/run/capnet-lab")
NETNS_FOLDER = Path("/run/netns")  # where iproute2 keeps named network namespaces, ip-netns(8)

UPLINK = "ens33"
GATEWAY = "192.168.111.1"
ADDRESSES = {"A": "192.168.111.128", "B": "192.168.111.129"}
PREFIX_LENGTH = 24
IMAGE = "busybox:latest"

# sun_path holds 107 bytes (unix(7)); dockerd's longest socket below a host's folder is
# exec/libnetwork/ID.sock with an ID of 12 digits, newer versions exec/containerd/containerd.sock.ttrpc.
_LONGEST_FOLDER = 60


class HostKernel(StrEnum):
    """Which kernel the two hosts share."""

    NATIVE = "native"  # this machine's
    UML = "uml"  # User-Mode Linux, a process on this machine


def mac(address: str) -> str:
    """The MAC of a lab interface: locally administered, its last four bytes are the IPv4 address."""
    return "02:00:" + ":".join(f"{int(byte):02x}" for byte in address.split("."))


@dataclass(frozen=True)
class LabHost:
    """One Docker host of the lab: a network, mount and UTS namespace around one dockerd."""

    name: str  # also its host name, hence its swarm node name and `docker info` Name
    address: str  # IPv4, on ens33
    folder: Path  # everything its daemon writes
    netns: Path  # bind mount that keeps its network namespace
    cgroup: str  # parent of its containers' cgroups, relative to every hierarchy's root

    @property
    def socket(self) -> Path:
        """The socket of its daemon's API."""
        return self.folder / "docker.sock"

    @property
    def docker_url(self) -> str:
        """DOCKER_HOST for its daemon."""
        return f"unix://{self.socket}"

    @property
    def exec_root(self) -> Path:
        """dockerd's --exec-root."""
        return self.folder / "exec"

    @property
    def pidfile(self) -> Path:
        """dockerd's --pidfile."""
        return self.folder / "dockerd.pid"

    @property
    def log(self) -> Path:
        """What dockerd prints."""
        return self.folder / "dockerd.log"


@dataclass(frozen=True)
class Lab:
    """The names of a lab, whether it is running or not. With UML, all but the folder are names inside."""

    folder: Path
    kernel: HostKernel = HostKernel.NATIVE

    @property
    def suffix(self) -> str:
        """Keeps the names of labs in different folders apart; empty for the default folder."""
        if self.folder == DEFAULT_FOLDER:
            return ""
        return "-" + hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:6]

    @property
    def lan(self) -> str:
        """Name of the network namespace that holds the bridge between the hosts."""
        return f"capnet-lan{self.suffix}"

    @cached_property
    def hosts(self) -> dict[str, LabHost]:
        """Both hosts, by name."""
        hosts = {}
        for name, address in ADDRESSES.items():
            namespace = f"capnet-{name}{self.suffix}"
            hosts[name] = LabHost(
                name, address, self.folder / name, NETNS_FOLDER / namespace, f"capnet-{name}{self.suffix}"
            )
        return hosts


def chosen() -> Lab:
    """The lab of the folder in CAPNET_LAB_DIR, else of /run/capnet-lab."""
    folder = Path(os.environ.get(FOLDER_VARIABLE) or DEFAULT_FOLDER).resolve()
    if len(os.fsencode(folder)) > _LONGEST_FOLDER:
        raise UsageError(
            f"{FOLDER_VARIABLE}: a path of more than {_LONGEST_FOLDER} bytes leaves no room for the names "
            "of Docker's sockets; choose a shorter one"
        )
    return Lab(folder)
