"""What a scenario takes on its hosts, and needs there: names, ports, programs, as constants of its file say.

    CONTAINERS = ("web", "bbox")     names of containers, on either host
    NETWORKS = ("appnet",)           names of networks
    PORTS = (8080,)                  TCP ports that are published, or listened at on host A
    PEER_PORTS = (7000,)             TCP ports that are listened at on host B
    SUBNETS = ("10.11.0.0/24",)      subnets of its networks that Docker does not choose
    PLUGINS = ("bridge",)            plugins of CNI that its hosts must have
    PROGRAMS = ("kube-proxy",)       programs that host A must have

A file that has none of a kind leaves its constant out. A test compares them with what the golden's topology has.
"""

from __future__ import annotations

from types import ModuleType

from capnet.quick_tuple import NamedTuple


class Plan(NamedTuple):
    """The constants of a scenario's file."""

    name: str
    containers: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    peer_ports: tuple[int, ...] = ()
    subnets: tuple[str, ...] = ()
    plugins: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()


def plan_of(name: str, module: ModuleType) -> Plan:
    """What the scenario takes and needs; nothing, where its file says nothing."""
    fields = [field for field in Plan._fields if field != "name"]
    return Plan(name, *(tuple(getattr(module, field.upper(), ())) for field in fields))
