"""Records control protocols between two hosts of one link, spoken by programs of Debian, as `record` does:

    sudo python -m tests.analysis.findings.recorded.record_control [NAME]

    left  eth0 10.70.1.1 ── br0 of `net` ── eth0 10.70.1.2  right

The programs are wireguard-go, charon of strongSwan (`swanctl`), keepalived and BIRD.

wg-healthy      a handshake of WireGuard, pings through the tunnel, keepalives
wg-blocked      the bridge drops UDP port 51820
wg-wrong-key    `right` knows another public key for `left`
wg-no-route     `right` has no route back into the tunnel
ike-healthy     an IKE SA and pings in ESP
ike-retried     `right` wants another group than `left` tries first, and gets it; nothing is wrong
ike-blocked     the bridge drops UDP port 500
ike-no-proposal the ends have no cipher in common
ike-port-4500   the bridge drops UDP port 4500
vrrp-handover   `left` stops and begins again, `right` takes its turn; a second group is always of `right`
vrrp-filtered   the firewall of `right` drops VRRP
vrrp-intervals  the ends advertise in different intervals
vrrp-separated  the bridge drops multicast
vrrp-two-groups `left` has a wrong `unicast_peer` for one group; a second one, by multicast, arrives at `right`
bgp-healthy     a session of BGP
bgp-peer-as     `right` expects another AS number of `left`
bgp-hold-time   a speaker offers `right` a hold time of 1 s
bgp-shutdown    the operator of `right` disables the session
bgp-expired     the program of `left` is stopped for longer than the hold time, its kernel goes on
bgp-password    `left` has a password (TCP MD5), `right` has none
bgp-passwords   the ends have different passwords
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.analysis.findings.recorded.record import FOLDER, SERVE, ask, link, namespaces, run, start

Programs = list[subprocess.Popen[bytes]]
ADDRESSES = {"left": "10.70.1.1", "right": "10.70.1.2"}
OTHER = {"left": "right", "right": "left"}


@contextmanager
def segment() -> Iterator[Programs]:
    """Two hosts on a bridge."""
    with namespaces(("net", *ADDRESSES)) as programs:
        run("net", "ip link add br0 type bridge mcast_snooping 0; ip link set br0 up")
        for host, address in ADDRESSES.items():
            link(host, "eth0", "net", f"veth-{host}")
            run("net", f"ip link set veth-{host} master br0")
            run(host, f"ip addr add {address}/24 dev eth0")
        programs += [start("right", "python3", "-c", words) for words in (SERVE, SERVE_UDP)]
        yield programs


def bridge_drops(rule: str) -> None:
    run("net", "nft add table bridge f; nft 'add chain bridge f pass { type filter hook forward priority 0; }'; "
               f"nft add rule bridge f pass {rule} drop")  # fmt: skip


# -- WireGuard ---------------------------------------------------------------------------------------------
def wireguard(programs: Programs, folder: Path, route_back: bool = True, strange_key: bool = False) -> None:
    keys = {}
    for host in ("left", "right", "stranger"):
        private = subprocess.run(["wg", "genkey"], check=True, capture_output=True).stdout
        (folder / host).write_bytes(private)
        keys[host] = subprocess.run(["wg", "pubkey"], input=private, check=True, capture_output=True).stdout.decode()
    for number, host in enumerate(ADDRESSES):
        peer = OTHER[host]
        key = keys["stranger" if strange_key and host == "right" else peer].strip()
        device = f"wg{number}"
        programs.append(start(host, "wireguard-go", "-f", device))
        time.sleep(1)
        run(host, f"wg set {device} listen-port 51820 private-key {folder / host} peer {key} "
                  f"endpoint {ADDRESSES[peer]}:51820 allowed-ips 10.71.0.0/24; "
                  f"ip addr add 10.71.0.{number + 1}/32 dev {device}; ip link set {device} up mtu 1420")  # fmt: skip
        if route_back or host == "left":
            run(host, f"ip route add 10.71.0.0/24 dev {device}")
        else:
            run(host, "ip route add blackhole 10.71.0.1")


def wg_ping(seconds: int = 14) -> None:
    run("left", "ping -c 4 -i 1 -W 1 10.71.0.2", is_checked=False)
    time.sleep(seconds)
    run("left", "ping -c 1 -W 1 10.71.0.2", is_checked=False)


# -- IKE ---------------------------------------------------------------------------------------------------
CHARON = """charon {{ port = 500
 plugins {{ include /etc/strongswan.d/charon/*.conf
  kernel-libipsec {{ load = yes }}
  vici {{ socket = unix://{folder}/{host}.vici }} }} {more} }}"""
CONNECTION = """connections {{ net {{ local_addrs = {local}; remote_addrs = {remote}; version = 2
 proposals = {proposals}
 local {{ auth = psk; id = {host} }} remote {{ auth = psk; id = {peer} }}
 children {{ net {{ local_ts = {inside}; remote_ts = {there} }} }} }} }}
secrets {{ ike-a {{ secret = recorded }} }}"""


def ike(programs: Programs, folder: Path, left: str = "aes128-sha256-ecp256", right: str = "aes128-sha256-ecp256"
        ) -> None:  # fmt: skip
    for host, proposals in (("left", left), ("right", right)):
        peer = OTHER[host]
        number = 1 if host == "left" else 2
        (folder / f"{host}.conf").write_text(CHARON.format(folder=folder, host=host, more=""))
        text = CONNECTION.format(
            local=ADDRESSES[host], remote=ADDRESSES[peer], proposals=proposals, host=host, peer=peer,
            inside=f"10.7{number}.9.0/24", there=f"10.7{3 - number}.9.0/24",
        )  # fmt: skip
        (folder / f"{host}.swanctl").write_text(text.replace(";", "\n"))
        run(host, f"ip link add dummy9 type bridge; ip addr add 10.7{number}.9.1/24 dev dummy9; ip link set dummy9 up")
        words = f"mount -t tmpfs t /run; STRONGSWAN_CONF={folder}/{host}.conf exec /usr/lib/ipsec/charon"
        programs.append(start(host, "unshare", "-m", "sh", "-c", words))
    time.sleep(3)
    for host in ADDRESSES:
        run(host, f"swanctl --load-all --noprompt --file {folder}/{host}.swanctl --uri unix://{folder}/{host}.vici")


def ike_asks(folder: Path, seconds: int = 27) -> None:
    run("left", f"timeout {seconds} swanctl --initiate --child net --uri unix://{folder}/left.vici", is_checked=False)
    run("left", "ping -c 3 -i 0.3 -W 1 -I 10.71.9.1 10.72.9.1", is_checked=False)


# -- VRRP --------------------------------------------------------------------------------------------------
GROUP = """vrrp_instance {name} {{
 state BACKUP
 interface eth0
 virtual_router_id {number}
 priority {priority}
 advert_int {interval}
 virtual_ipaddress {{
  {address}/24
 }}
 {more}
}}
"""
THIRD_HOST = "10.70.1.254"  # the bridge


def keepalived(programs: Programs, folder: Path, host: str, interval: int = 1, second: int = 0, more: str = ""
               ) -> None:  # fmt: skip
    """`second`: the priority in a second group, `db`, 0 for none; `more`: settings of the first."""
    priority = 150 if host == "left" else 100
    text = GROUP.format(name="web", number=51, priority=priority, interval=interval, address="10.70.1.100", more=more)
    if second:
        text += GROUP.format(name="db", number=52, priority=second, interval=interval, address="10.70.1.101", more="")
    (folder / f"{host}.keepalived").write_text(text)
    programs.append(start(host, "keepalived", "-n", "-P", "-f", f"{folder}/{host}.keepalived",
                          "-p", f"{folder}/{host}.pid", "-r", f"{folder}/{host}.vrrp"))  # fmt: skip


def both_keepalived(programs: Programs, folder: Path, interval_of_right: int = 1) -> None:
    keepalived(programs, folder, "left")
    keepalived(programs, folder, "right", interval_of_right)


def keepalived_of_two_groups(programs: Programs, folder: Path) -> None:
    """`left` is the better master of both; of the first one it tells a third host, `right` tells `left`."""
    for host, peer, priority in (("left", THIRD_HOST, 150), ("right", ADDRESSES["left"], 100)):
        keepalived(programs, folder, host, second=priority, more=f"unicast_peer {{\n  {peer}\n }}")


def arp_of_group() -> None:
    """A third host asks for the address of the group."""
    run("net", f"ip addr replace {THIRD_HOST}/24 dev br0; ping -c 2 -W 1 10.70.1.100", is_checked=False)


# -- BGP ---------------------------------------------------------------------------------------------------
BIRD = """router id {local};
protocol device {{ }}
protocol static {{ ipv4; route 10.9.{number}.0/24 blackhole; }}
protocol bgp peer {{ local {local} as {asn}; neighbor {remote} as {peer_asn}; connect delay time 1;
 connect retry time 5; error wait time 3, 10; hold time {hold}; {more}
 ipv4 {{ import all; export all; }}; }}
"""


def bird(programs: Programs, folder: Path, host: str, peer_asn: int = 0, more: str = "", hold: int = 240) -> None:
    numbers = {"left": 64501, "right": 64502}
    (folder / f"{host}.bird").write_text(BIRD.format(
        local=ADDRESSES[host], remote=ADDRESSES[OTHER[host]], asn=numbers[host], number=numbers[host] % 10,
        peer_asn=peer_asn or numbers[OTHER[host]], more=more, hold=hold))  # fmt: skip
    programs.append(start(host, "bird", "-f", "-c", f"{folder}/{host}.bird", "-s", f"{folder}/{host}.birdc"))


OPEN = """
import socket, struct, time
for _ in range(3):
    peer = socket.create_connection(("10.70.1.2", 179))
    peer.sendall(bytes([255] * 16) + struct.pack(">HBBHHIB", 29, 1, 4, 64501, 1, 0x0A460101, 0))
    while peer.recv(99):
        pass
    peer.close()
    time.sleep(6)
"""

SERVE_UDP = """
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", 7000))
while True:
    octets, client = server.recvfrom(99)
    server.sendto(octets.upper(), client)
"""
ASK_UDP = """
import socket
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(2)
client.sendto(b"question", ("10.70.1.2", 7000))
client.recv(99)
"""

Step = Callable[[], None]


def wait(seconds: float) -> Step:
    return lambda: time.sleep(seconds)


def other_traffic() -> None:
    """What hosts have to do with each other all the time: a ping, a page, a question by UDP."""
    run("left", "ping -c 2 -i 0.3 10.70.1.2", is_checked=False)
    ask("left", ADDRESSES["right"])
    run("left", f"python3 -c '{ASK_UDP}'", is_checked=False)


def play(name: str, programs: Programs, folder: Path) -> list[Step]:
    """Prepare a recording; what is then recorded."""
    if name.startswith("wg-"):
        if name == "wg-blocked":
            bridge_drops("udp dport 51820")
        wireguard(programs, folder, name != "wg-no-route", name == "wg-wrong-key")
        return [wg_ping]
    if name.startswith("ike-"):
        if name in ("ike-blocked", "ike-port-4500"):
            bridge_drops(f"udp dport {500 if name == 'ike-blocked' else 4500}")
        both = {"ike-retried": ("aes128-sha256-modp2048-ecp256", "aes128-sha256-ecp256"),
                "ike-no-proposal": ("aes128-sha256-ecp256", "aes256-sha512-ecp384")}  # fmt: skip
        ike(programs, folder, *both.get(name, ()))
        return [lambda: ike_asks(folder)]
    if name.startswith("vrrp-"):
        return _play_vrrp(name, programs, folder)
    return _play_bgp(name, programs, folder)


def _play_vrrp(name: str, programs: Programs, folder: Path) -> list[Step]:
    if name == "vrrp-filtered":
        run("right", "iptables -A INPUT -p vrrp -j DROP")
    if name == "vrrp-separated":
        bridge_drops("ether daddr 01:00:5e:00:00:12")
    if name == "vrrp-handover":

        def stop() -> None:
            programs[2].terminate()
            programs[2].wait()

        return [lambda: keepalived(programs, folder, "left", second=100),
                lambda: keepalived(programs, folder, "right", second=150), wait(8), arp_of_group, stop, wait(6),
                lambda: keepalived(programs, folder, "left", second=100), wait(9), arp_of_group]  # fmt: skip
    if name == "vrrp-two-groups":
        run("net", f"ip addr add {THIRD_HOST}/24 dev br0")
        return [lambda: keepalived_of_two_groups(programs, folder), wait(12)]
    interval = 2 if name == "vrrp-intervals" else 1
    return [lambda: both_keepalived(programs, folder, interval), wait(9 + 7 * interval), arp_of_group, wait(2)]


def _play_bgp(name: str, programs: Programs, folder: Path) -> list[Step]:
    if name == "bgp-hold-time":
        return [lambda: bird(programs, folder, "right", more="passive;"), wait(2),
                lambda: programs.append(start("left", "python3", "-c", OPEN)), wait(16)]  # fmt: skip
    words = {"bgp-password": ('password "first";', ""),
             "bgp-passwords": ('password "first";', 'password "second";')}.get(name, ("", ""))  # fmt: skip
    steps = [lambda: bird(programs, folder, "left", more=words[0], hold=6 if name == "bgp-expired" else 240),
             lambda: bird(programs, folder, "right", 64999 if name == "bgp-peer-as" else 0, words[1]),
             wait(10)]  # fmt: skip
    if name == "bgp-shutdown":
        steps.append(lambda: run("right", f"birdc -s {folder}/right.birdc disable peer '\"moved to rack 4\"'"))
    if name == "bgp-expired":
        steps.append(lambda: programs[-2].send_signal(signal.SIGSTOP))
        return [*steps, wait(9), lambda: programs[-2].send_signal(signal.SIGCONT)]
    return [*steps, wait(14)]


ALSO = {
    "wg": "wg show", "ike": "swanctl --list-sas --uri unix://{folder}/{host}.vici",
    "vrrp": "ip -br addr show eth0", "bgp": "birdc -s {folder}/{host}.birdc show protocols all peer | head -12; "
    "nstat -az | grep -i md5",
}  # fmt: skip
NAMES = [line.split()[0] for line in (__doc__ or "").splitlines() if line.startswith(("wg-", "ike-", "vrrp-", "bgp-"))]
POINTS = ("left/eth0", "right/eth0")


def record(name: str) -> None:
    """Record one of NAMES at both hosts; print what the programs say themselves."""
    with tempfile.TemporaryDirectory() as path, segment() as programs:
        folder = Path(path)
        steps = play(name, programs, folder)
        (FOLDER / name).mkdir(exist_ok=True)
        taps = [
            start(point.partition("/")[0], "tcpdump", "-i", "eth0", "-U", "-Z", "root", "-w",
                  str(FOLDER / name / f"{point.replace('/', '__')}.pcap"))
            for point in POINTS
        ]  # fmt: skip
        time.sleep(1)  # they listen
        for step in (other_traffic, *steps, other_traffic):
            step()
        time.sleep(1)  # the last packets are on their way to the files
        for tap in taps:
            tap.send_signal(2)
            tap.wait()
        for host in ADDRESSES:
            words = ALSO[name.partition("-")[0]].format(folder=folder, host=host)
            subprocess.run(["ip", "netns", "exec", f"cap-{host}", "sh", "-c", f"echo {name} {host}; {words}"])


def main() -> None:
    for name in sys.argv[1:] or NAMES:
        record(name)


if __name__ == "__main__":
    main()
