"""A host that translates between two network namespaces, its captures, and what its kernel says it translated.

    clients 10.1.0.0/24 ── in0 [this namespace: iptables] out0 ── servers 198.51.100.0/24, 203.0.113.0/24

Run inside `unshare --net --mount` as root. Captures are taken at in0 and out0; `conntrack -E` is the judge.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.bench.accuracy.peers import (
    CLIENT_LINK,
    CLIENTS,
    DIRECT,
    HOST,
    PUBLISHED_PORT,
    SERVER_LINK,
    SERVERS,
    TCP_PORT,
)

OUTSIDE = "192.0.2.1"
LINK_NET = "192.0.2.0/24"
EVENT_BUFFER = 8 << 20  # octets: events of a whole case, if the judge is slow
CAPTURE_BUFFER = "262144"  # KiB
TUPLE = re.compile(r"src=(\S+) dst=(\S+) (?:sport=(\d+) dport=(\d+)|type=\d+ code=\d+ id=(\d+))")
LIST_EVERY_S = 4.0  # less than the kernel keeps any connection: 10 s after an RST
QUIET_S = 1.0  # without a new octet in the captures and events


class Connection(NamedTuple):
    """Protocol, then source, its port, destination and its port, before and after; of ICMP the identifier."""

    proto: str
    before: tuple[object, ...]
    after: tuple[object, ...]


class Run(NamedTuple):
    """What one case left: capture files of both points, and the connections that the kernel made."""

    inside: Path
    outside: Path
    connections: set[Connection]


def set_up() -> None:
    """Make both namespaces and the links between. Everything ends with this process's namespaces."""
    sh("mount -t tmpfs none /run; mkdir /run/netns; ip link set lo up; sysctl -qw net.ipv4.ip_forward=1")
    sh("sysctl -qw net.netfilter.nf_conntrack_events=1")  # of this namespace: tell connections without NAT too
    for name, link, macs in (("clients", "in0", CLIENT_LINK), ("servers", "out0", SERVER_LINK)):
        own, peer = macs[:6].hex(":"), macs[6:].hex(":")
        sh(f"ip netns add {name}; ip link add {link} address {own} type veth peer name peer address {peer}")
        sh(f"ip link set peer netns {name} name eth0; ip link set {link} up")
        sh(f"ip netns exec {name} sh -c 'ip link set lo up; ip link set eth0 up'")
    sh(f"ip address add {HOST}/24 dev in0; ip address add {OUTSIDE}/24 dev out0; ip route add 198.51.100.0/24 dev out0")
    sh("ip route add 203.0.113.0/24 dev out0")
    inside(
        "clients",
        *(f"ip address add {address}/24 dev eth0" for address in CLIENTS),
        f"ip route add default via {HOST}",
    )
    inside("servers", *(f"ip address add {address}/32 dev eth0" for address in (*SERVERS, DIRECT, "192.0.2.2")))
    inside("servers", f"ip route add {LINK_NET} dev eth0", f"ip route add default via {OUTSIDE} onlink dev eth0")


def run(case: str, count: int, folder: Path) -> Run:
    """Play a case, with rules of its own, and wait until all of it is captured and told."""
    _set_rules(case)
    files = folder / f"{case}-in0.pcap", folder / f"{case}-out0.pcap"
    events = folder / f"{case}.events"
    with events.open("wb") as out:
        judge = start("conntrack", "-E", "-e", "NEW", "-b", str(EVENT_BUFFER), out=out, err=True)
        captures = [_capture(device, file) for device, file in zip(("in0", "out0"), files, strict=True)]
        time.sleep(0.3)  # conntrack says nothing when it listens
        listings = _play(case, count)
        _until_quiet([*files, events])
        for process in (*captures, judge):
            process.terminate()
        judge.communicate()
    for capture in captures:
        text = capture.communicate()[1].decode()
        dropped = re.search(r"(\d+) packets? dropped by kernel", text)
        assert dropped and dropped[1] == "0", f"{case}: the capture is not whole: {text}"
    return Run(*files, _connections("".join([events.read_text(), *listings, _table()])))


def _set_rules(case: str) -> None:
    """Masquerade, two published ports, and what the case has of its own."""
    sh("iptables -F; iptables -t nat -F; conntrack -F 2>/dev/null; true")
    random = " --random-fully" if case == "port-reuse" else ""
    sh(f"iptables -t nat -A POSTROUTING -o out0 -d 198.51.100.0/24 -j MASQUERADE{random}")
    for proto in ("tcp", "udp"):
        sh(
            f"iptables -t nat -A PREROUTING -i in0 -d {HOST} -p {proto} --dport {PUBLISHED_PORT} "
            f"-j DNAT --to-destination {SERVERS[0]}:{TCP_PORT}"
        )
        sh(f"iptables -t nat -I POSTROUTING -o out0 -p {proto} -m conntrack --ctstate DNAT -j ACCEPT")
    if case == "lossy":
        sh("iptables -A FORWARD -m statistic --mode random --probability 0.1 -j DROP")
    sh(f"ip link set out0 gso_max_segs {1 if case == 'bulk' else 65535}")  # 1: cut before they leave


def _capture(device: str, file: Path) -> subprocess.Popen[bytes]:
    """A capture at a device, once it listens."""
    capture = start("tcpdump", "-n", "-U", "-B", CAPTURE_BUFFER, "-i", device, "-w", str(file), err=True)
    assert capture.stderr is not None
    assert b"listening on" in capture.stderr.readline(), f"tcpdump does not listen at {device}"
    return capture


def _play(case: str, count: int) -> list[str]:
    """Let the clients connect; the connection table, again and again until they are done.

    The kernel fails to tell some connections (ENOBUFS, whatever the buffer). Its table has all of them for a while.
    """
    python = [sys.executable, "-m", "tests.bench.accuracy.peers", case, str(count)]
    clients = start("ip", "netns", "exec", "clients", *python)
    listings = []
    while clients.poll() is None:
        listings.append(_table())
        with suppress(subprocess.TimeoutExpired):
            clients.wait(LIST_EVERY_S)
    assert clients.returncode == 0, f"{case}: the clients failed"
    return listings


def _table() -> str:
    return subprocess.run(["conntrack", "-L"], capture_output=True, text=True, check=True).stdout


def _connections(text: str) -> set[Connection]:
    """The connections of `[NEW] tcp 6 120 SYN_SENT src=… dst=… sport=… dport=… [UNREPLIED] src=…`."""
    connections = set()
    for line in text.splitlines():
        proto = next((word for word in line.split()[:2] if word in ("tcp", "udp", "icmp")), None)
        tuples = [match.groups() for match in TUPLE.finditer(line)]
        if len(tuples) != 2 or proto is None:
            continue
        (src, dst, sport, dport, ident), (back_src, back_dst, back_sport, back_dport, back_ident) = tuples
        before = (src, _number(sport), dst, _number(dport), _number(ident))
        after = (back_dst, _number(back_dport), back_src, _number(back_sport), _number(back_ident))
        connections.add(Connection(proto, before, after))
    return connections


def _until_quiet(files: Sequence[Path]) -> None:
    sizes, since = [0], time.monotonic()
    while time.monotonic() - since < QUIET_S:
        time.sleep(0.1)  # silence is a length of time
        now = [file.stat().st_size for file in files]
        if now != sizes:
            sizes, since = now, time.monotonic()


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)


def inside(name: str, *commands: str) -> None:
    """Run commands in a namespace."""
    sh(f"ip netns exec {name} sh -ec '{'; '.join(commands)}'")


def sh(command: str) -> None:
    """Run a command that must not fail."""
    subprocess.run(["sh", "-ec", command], check=True)


def start(*words: str, out: object = subprocess.DEVNULL, err: bool = False) -> subprocess.Popen[bytes]:
    """Start a program that ends when it is terminated."""
    return subprocess.Popen(words, stdout=out, stderr=subprocess.PIPE if err else None)  # type: ignore[call-overload]
