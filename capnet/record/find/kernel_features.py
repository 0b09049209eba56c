"""Which features that scenarios need the running kernel has.

Method: each feature is tried in a network namespace of its own, which is removed with it. A module that the kernel
loads for it may remain.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable

from capnet.record.remote.shell import Shell, cannot_run

_PAIR = "ip link add name p0 type veth peer name p1 && "

# Docker's encrypted overlay: ESP in transport mode with AES-GCM, for what a u32 match finds by its VNI
# (libnetwork, drivers/overlay/encryption.go).
_ESP = (
    "ip xfrm state add src 192.0.2.1 dst 192.0.2.2 proto esp spi 1 mode transport "
    "aead 'rfc4106(gcm(aes))' 0x000102030405060708090a0b0c0d0e0f10111213 64 && "
    "iptables -w -t mangle -A OUTPUT -p udp --dport 4789 -m u32 --u32 '0>>22&0x3C@12&0xFFFFFF00=256' "
    "-j MARK --set-mark 1"
)

# feature: (the program that asks, the question: a shell command that succeeds when the kernel has it)
_QUESTIONS = {
    "bridge": ("ip", "ip link add name p0 type bridge"),
    "veth": ("ip", f"{_PAIR} true"),
    "vxlan": ("ip", "ip link add name p0 type vxlan id 1 dstport 4789"),
    "nat": ("iptables", "iptables -w -t nat -A POSTROUTING -j MASQUERADE"),
    "macvlan": ("ip", f"{_PAIR} ip link add name q0 link p0 type macvlan mode bridge"),
    "ipvlan": ("ip", f"{_PAIR} ip link add name q0 link p0 type ipvlan mode l2"),
    "8021q": ("ip", f"{_PAIR} ip link add name q0 link p0 type vlan id 10"),
    "ip_vs": ("modprobe", "test -e /proc/net/ip_vs || modprobe -q -n ip_vs"),
    "esp": ("iptables", _ESP),
    "netem": ("tc", f"{_PAIR} tc qdisc add dev p0 root netem delay 1ms"),
}

FEATURES = tuple(_QUESTIONS)
LAB_FEATURES = ("bridge", "veth", "nat")  # what no lab and no Docker host goes without

# $1: the options of unshare, then name, program and question of each feature.
_ASK = """
export PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
options=$1; shift
unshare $options true || exit
while [ $# -gt 0 ]; do
  if ! command -v "$2" >/dev/null; then echo "$1 unknown"
  elif unshare $options sh -c "$3" >/dev/null 2>&1; then echo "$1 yes"
  else echo "$1 no"
  fi
  shift 3
done
"""


def features(shell: Shell | None = None, names: Iterable[str] = FEATURES) -> dict[str, bool | None]:
    """Which of the features the kernel of the shell's machine has; None where that cannot be found out.

    Without a shell: this machine, as the current user (in a user namespace, if that is not root).
    """
    words = [word for name in names for word in (name, *_QUESTIONS[name])]
    if not words:
        return {}
    if shell is not None:
        printed = shell.run(["sh", "-c", _ASK, "sh", "--net", *words])
    else:
        options = "--net" if os.geteuid() == 0 else "--user --map-root-user --net"
        try:
            done = subprocess.run(
                ["sh", "-c", _ASK, "sh", options, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True
            )
        except OSError as error:
            raise cannot_run(error) from error
        printed = done.stdout
    answers = dict(line.split() for line in printed.splitlines() if line.count(" ") == 1)
    return {name: {"yes": True, "no": False}.get(answers.get(name, "")) for name in names}


def missing_features(needed: Iterable[str], shell: Shell | None = None) -> list[str]:
    """Those of the needed features that the kernel surely has not."""
    return [name for name, has in features(shell, tuple(needed)).items() if has is False]
