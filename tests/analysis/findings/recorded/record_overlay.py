"""Records three nodes of one VXLAN network, as `record` does:

    sudo python -m tests.analysis.findings.recorded.record_overlay [NAME]

    p1 10.5.0.1 ── br0 vx0  n1  eth0 10.60.0.1 ── net ── 10.60.0.2 n2, 10.60.0.3 n3, each with a pod

flood-list       n1 floods to n2 and not to n3, so p3 does not get p1's question
pod-without-arp  n1 floods to both, and p3 answers no ARP
wrong-vni        n2 has another VNI than the others
gre-keys         n1 and n2 have GRE tunnels with different keys, made by a program: this kernel has no GRE
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.analysis.findings.recorded.record import SERVE, Recording, link, namespaces, record, run, start

Programs = list[subprocess.Popen[bytes]]
NUMBERS = (1, 2, 3)


@contextmanager
def network() -> Iterator[Programs]:
    """Nodes with their pods and cards, without a VXLAN device."""
    with namespaces(["net", *(f"{kind}{number}" for kind in "np" for number in NUMBERS)]) as programs:
        run("net", "ip link add lan type bridge; ip link set lan up")
        for number in NUMBERS:
            link(f"n{number}", "eth0", "net", f"card{number}")
            link(f"p{number}", "eth0", f"n{number}", "pod")
            run("net", f"ip link set card{number} master lan")
            run(f"n{number}", f"ip addr add 10.60.0.{number}/24 dev eth0; ip link add br0 type bridge; "
                              "ip link set pod master br0; ip link set br0 up")  # fmt: skip
            run(f"p{number}", f"ip link set eth0 mtu 1450; ip addr add 10.5.0.{number}/24 dev eth0")
            programs.append(start(f"p{number}", "python3", "-c", SERVE))
        yield programs


def vxlan(number: int, ends: tuple[int, ...] = NUMBERS, vni: int = 100) -> None:
    flood = "".join(f"; bridge fdb append 00:00:00:00:00:00 dev vx0 dst 10.60.0.{end}" for end in ends if end != number)
    run(f"n{number}", f"ip link add vx0 type vxlan id {vni} local 10.60.0.{number} dstport 4789 dev eth0; "
                      f"ip link set vx0 mtu 1450 master br0 up{flood}")  # fmt: skip


def flood_list(_: Programs) -> None:
    vxlan(1, (2,)), vxlan(2), vxlan(3)


def pod_without_arp(_: Programs) -> None:
    vxlan(1), vxlan(2), vxlan(3)
    run("p3", "arptables -A INPUT --opcode Request -j DROP")


def wrong_vni(_: Programs) -> None:
    vxlan(1), vxlan(2, vni=101), vxlan(3)


GRE = """
import fcntl, os, select, socket, struct, sys
device = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(device, 0x400454CA, struct.pack('16sH14x', b'tun0', 0x1001))
wire = socket.socket(socket.AF_INET, socket.SOCK_RAW, 47)
header = struct.pack('>HHI', 0x2000, 0x800, int(sys.argv[2]))
while True:
    for ready in select.select([device, wire], [], [])[0]:
        if ready == device:
            wire.sendto(header + os.read(device, 65535), (sys.argv[1], 0))
        else:
            packet = wire.recv(65535)[20:]
            if packet[:8] == header:
                os.write(device, packet[8:])
"""


def gre_keys(programs: Programs) -> None:
    for number, other in ((1, 2), (2, 1)):
        programs.append(start(f"n{number}", "python3", "-c", GRE, f"10.60.0.{other}", str(6 + number)))
        run(f"n{number}", f"ip addr add 10.6.{number}.254/24 dev br0; sleep 1; ip link set tun0 mtu 1476 up; "
                          f"ip route add 10.6.{other}.0/24 dev tun0")  # fmt: skip
        run(f"p{number}", f"ip addr flush dev eth0; ip addr add 10.6.{number}.1/24 dev eth0; "
                          f"ip route add default via 10.6.{number}.254")  # fmt: skip


ASKS = [("p1", "10.5.0.2", 80), ("p1", "10.5.0.3", 80), ("p2", "10.5.0.3", 80)]
RECORDINGS: dict[str, Recording] = {
    "flood-list": (flood_list, ["n1/eth0", "n1/vx0", "n3/eth0"], ASKS),
    "pod-without-arp": (pod_without_arp, ["n1/eth0", "n1/vx0", "n3/eth0"], [("p3", "10.5.0.2", 80), *ASKS[1:2]]),
    "wrong-vni": (wrong_vni, ["n1/eth0", "n2/eth0", "n3/eth0"],
                  [("p1", "10.5.0.3", 80), ("p1", "10.5.0.2", 80), ("p2", "10.5.0.1", 80)]),
    "gre-keys": (gre_keys, ["n1/tun0", "n1/eth0", "n2/eth0"], [("p1", "10.6.2.1", 80), ("p2", "10.6.1.1", 80)]),
}  # fmt: skip


def main() -> None:
    for name in sys.argv[1:] or RECORDINGS:
        record(name, RECORDINGS, network)


if __name__ == "__main__":
    main()
