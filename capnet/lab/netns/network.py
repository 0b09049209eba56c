"""The wire: a bridge in a namespace of its own, and one namespace per host with its end of a veth, ens33."""

from __future__ import annotations

from capnet.errors import CapnetError
from capnet.lab import commands
from capnet.lab.addressing import GATEWAY, NETNS_FOLDER, PREFIX_LENGTH, UPLINK, Lab, mac
from capnet.lab.record import LabRecord, ResourceKind


def make(lab: Lab, record: LabRecord, lock: int) -> None:
    """Makes the three namespaces, cabled and addressed. Nothing of it is in the caller's namespace."""
    # The first `ip netns add` since boot makes /run/netns and mounts it onto itself.
    if not NETNS_FOLDER.exists():
        record.will_make(ResourceKind.FOLDER, str(NETNS_FOLDER))
    if not NETNS_FOLDER.is_mount():
        record.will_make(ResourceKind.MOUNT, str(NETNS_FOLDER))
    _namespace(lab.lan, record, lock)
    # The router refuses each question, not only six in a row and then one a second (icmp(7), icmp_ratelimit): dockerd
    # asks for a registry in several ways, and waits 5 s for each that is not refused.
    _set(lab.lan, "net/ipv4/icmp_ratelimit", "0", lock)
    _configure(
        lab.lan,
        [
            f"link add name lan0 address {mac(GATEWAY)} type bridge",
            f"address add {GATEWAY}/{PREFIX_LENGTH} dev lan0",
            "link set dev lo up",
            "link set dev lan0 up",
        ],
        lock,
    )
    for host in lab.hosts.values():
        _namespace(host.netns.name, record, lock)
        port = f"to-{host.name}"
        _configure(
            lab.lan,
            [
                f"link add name {port} type veth peer name {UPLINK} address {mac(host.address)} "
                f"netns {host.netns.name}",
                f"link set dev {port} master lan0 up",
            ],
            lock,
        )
        _configure(
            host.netns.name,
            [
                "link set dev lo up",
                f"address add {host.address}/{PREFIX_LENGTH} broadcast + dev {UPLINK}",
                f"link set dev {UPLINK} up",
                f"route add default via {GATEWAY} dev {UPLINK}",
            ],
            lock,
        )


def _namespace(name: str, record: LabRecord, lock: int) -> None:
    if (NETNS_FOLDER / name).exists():
        raise CapnetError(
            f"network namespace {name} exists already and is not in the lab's record; "
            f"if nothing uses it, remove it: ip netns delete {name}"
        )
    record.will_make(ResourceKind.NAMESPACE, name)
    commands.run(["ip", "netns", "add", name], lock)
    # Hosts forward for their containers. The router forwards too, so that what has no route here is
    # refused at once (ICMP network unreachable) instead of vanishing.
    _set(name, "net/ipv4/ip_forward", "1", lock)


def _set(namespace: str, key: str, value: str, lock: int) -> None:
    """Sets a kernel parameter (sysctl(8)) of the namespace."""
    commands.run(["nsenter", f"--net={NETNS_FOLDER / namespace}", "sh", "-c", f"echo {value} >/proc/sys/{key}"], lock)


def _configure(namespace: str, lines: list[str], lock: int) -> None:
    commands.run(["ip", "-netns", namespace, "-batch", "-"], lock, "\n".join(lines) + "\n")
