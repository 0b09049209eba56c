"""What Docker and `ip` say of one host, as they print it: the material of a topology.

Asked of a running host (`docker_facts`, `netns_facts`, `runtimes`) or read from saved outputs (`saved_outputs`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from capnet.record.find.runtimes.attachments import CniAttachment
from capnet.record.find.runtimes.bundles import OciContainer
from capnet.topology import Service, Unseen

Entry = dict[str, Any]  # an object of JSON, as a program printed it


@dataclass
class HostFacts:
    """Objects of `docker inspect`, `docker network inspect -v` and `ip -j -d address`."""

    name: str
    docker: str = ""
    kernel: str = ""
    surveyed: str | None = None  # ISO 8601 in UTC
    containers: list[Entry] = field(default_factory=list)  # as Docker inspects them; running ones only
    stopped: list[Entry] = field(default_factory=list)  # those that do not run, as Docker inspects them
    networks: list[Entry] = field(default_factory=list)  # as Docker inspects them, verbosely where it can
    services: list[Entry] | None = None  # as a manager of a swarm lists them; None: this is no manager
    kube_services: list[Service] = field(default_factory=list)  # of Kubernetes, by kube-proxy's rules
    host_netns: str | None = None  # file of the host's own network namespace
    interfaces: dict[str, list[Entry]] = field(default_factory=dict)  # file of a network namespace → its interfaces
    container_netns: dict[str, str] = field(default_factory=dict)  # id of a container → file of its namespace
    overlay_netns: dict[str, str] = field(default_factory=dict)  # id of a network → file of its namespace
    balancer_netns: dict[str, str] = field(default_factory=dict)  # Docker's name of a load balancer → its namespace
    forwarding: dict[str, str] = field(default_factory=dict)  # MAC → port of a bridge that learnt it
    bundles: list[OciContainer] = field(default_factory=list)  # what containerd and CRI-O run
    attachments: list[CniAttachment] = field(default_factory=list)  # what CNI plugins told these
    conntrack: list[str] = field(default_factory=list)  # lines of `conntrack -L`
    unseen: list[Unseen] = field(default_factory=list)

    @property
    def host_interfaces(self) -> list[Entry]:
        """The interfaces of the host's own network namespace; none if they were not seen."""
        return self.interfaces.get(self.host_netns or "", [])

    def network_id(self, name: str) -> str | None:
        """The id of a network's name."""
        return next((network["Id"] for network in self.networks if network["Name"] == name), None)

    def not_seen(self, what: str, why: object) -> None:
        """Notes what could not be seen, once."""
        note = Unseen(what, str(why))
        if note not in self.unseen:
            self.unseen.append(note)
