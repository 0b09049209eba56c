"""stale-mac-table: a virtual machine migrates, and the switch keeps its MAC at the port of the old host

    client ens33 ─┐         ┌─ ens33  A  br0 ── vnet0 ── vm 192.168.111.50, before
    other  ens33 ─┴─ lan0 ──┴─ ens33  B  br0 ── vnet0 ── vm, after: B announces it by RARP

Sends   client to vm by HTTP and other by ping: before the migration, and after it.
"""

from __future__ import annotations

import socket
import time

from capnet.scenario.faults import Change
from capnet.scenario.faults.network import NodeNetwork, Points

VM, MAC = "192.168.111.50", "52:54:00:12:34:56"
FINDING = "stale-mac-table"
BREAKS = Change("lan", f"bridge fdb replace {MAC} dev to-A master static sticky")
KEEPS_NEIGHBOURS = True

RARP_PAUSES = 0.05, 0.15, 0.25, 0.35, 0  # seconds after each of the five requests that QEMU sends


def build(network: NodeNetwork) -> Points:
    switch = network.switch()
    client = network.host("client", switch, "192.168.111.5")
    network.host("other", switch, "192.168.111.6")
    for name in ("A", "B"):
        host, machine = network.node(name), network.node(f"{name}/vm")
        network.leave_out(machine)
        host.link("ens33", switch, f"to-{name}")
        switch.run(f"ip link set dev to-{name} master lan0")
        host.bridge("br0")
        machine.link("eth0", host, "vnet0", mac=MAC)
        host.run("ip link set dev ens33 master br0")
        machine.address("eth0", f"{VM}/24")
        machine.serve_tcp(80)
    return [client.point("ens33"), *(network[name].point(port) for name in "AB" for port in ("ens33", "vnet0"))]


def send(network: NodeNetwork) -> None:
    for host, without in (("A", "B"), ("B", "A")):
        network[without].run("ip link set dev vnet0 nomaster")
        network[f"{without}/vm"].run("ip neigh flush all")  # it says no more: not even its neighbours are asked
        network[host].run("ip link set dev vnet0 master br0")
        if host == "A":  # where it says something before it migrates
            network["A/vm"].ping("192.168.111.5", count=1)
        else:
            _announce(network)
        network["client"].get(VM)
        network["other"].ping(VM)


def _announce(network: NodeNetwork) -> None:
    """What QEMU does for a machine that has arrived (net/announce.c): RARP requests in its name (RFC 903)."""
    mac = bytes.fromhex(MAC.replace(":", ""))
    header = b"\xff" * 6 + mac + b"\x80\x35" + b"\x00\x01\x08\x00\x06\x04\x00\x03"
    with network["B/vm"].namespace.new_socket(socket.AF_PACKET, socket.SOCK_RAW) as device:
        device.bind(("eth0", 0))
        for pause in RARP_PAUSES:
            device.send((header + (mac + bytes(4)) * 2).ljust(60, b"\x00"))
            time.sleep(pause)
