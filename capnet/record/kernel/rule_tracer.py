"""Traces packets through the netfilter rules of the network namespace that this program runs in.

A program of its own, which needs Python's standard library and `nfnetlink` only: it is given to `python3 -c` on the
machine that it traces, perhaps through ssh. Its arguments are a label and TCP ports that are left out. It prints one
JSON object in a line for each verdict of a rule or a policy, with the packet's headers as they are at that moment.

Method: a table of its own, `capnet-LABEL`, sets the trace mark (`meta nftrace set 1`) before all other rules, and the
kernel sends each step of a marked packet (NFT_MSG_TRACE, linux/netfilter/nf_tables.h). The table belongs to this
program's socket (NFT_TABLE_F_OWNER, Linux 5.12): the kernel removes it when this program ends, however it ends.
The text of a rule that drops, or was added meanwhile, is asked for when it first decides: it may be gone at the end.
Limits: MAX_RATE packets a second; rules of iptables-legacy are not traced.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

from capnet.record.kernel.nfnetlink import (
    attribute,
    attributes,
    message,
    messages,
    name_of,
    nested,
    netlink,
    number,
    text,
)

MAX_RATE = 5000  # packets a second that are marked: each makes about ten events
MAX_IDS = 100_000  # packets whose headers are remembered
MAX_LINES = 100_000  # of some 300 octets
MAX_TEXTS = 100  # of rules: each is asked for by a program
BUFFER_BYTES = 64 << 20
POLL_S = 0.2  # after which a SIGTERM is seen that came just before the waiting

NFNLGRP_NFTRACE, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP = 9, 270, 1
NFTABLES = 10 << 8  # NFNL_SUBSYS_NFTABLES
NEWTABLE, NEWCHAIN, NEWRULE, GETRULE, TRACE = (NFTABLES | number for number in (0, 3, 6, 7, 17))
NLMSG_ERROR, NLMSG_DONE, BATCH_BEGIN, BATCH_END = 2, 3, 0x10, 0x11
REQUEST, ACK, DUMP, CREATE, APPEND = 1, 4, 0x300, 0x400, 0x800
INET, OWNER = 1, 2
FAMILIES = {1: "inet", 2: "ip", 7: "bridge", 10: "ip6"}
HOOKS = (("pre", 0), ("out", 3))  # prerouting, and output of the namespace itself
PRIORITY = -401  # before conntrack's defragmentation (-400), and all tables of iptables
META_NFTRACE, META_L4PROTO, TRANSPORT = 12, 16, 2
VERDICTS = {0: "drop", 1: "accept", 2: "stolen", 3: "queue", -1: "continue", -3: "jump", -4: "goto", -5: "return"}
POLICY, RULE = 1, 3  # NFTA_TRACE_TYPE
LISTERS = {"ip": "iptables-nft", "ip6": "ip6tables-nft"}
TEXT_WITHIN_S = 2
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6", 132: "sctp"}


def expression(name: str, *parts: bytes) -> bytes:
    """One expression of a rule."""
    return nested(1, text(1, name), nested(2, *parts))


def trace_rules(ports: list[int]) -> list[bytes]:
    """Expressions of each rule of a chain: TCP ports are let by, and all else is marked, so many a second."""
    rules = []
    for port in ports:
        for offset in (0, 2):  # source port, destination port
            rules.append(
                expression("meta", number(1, 8), number(2, META_L4PROTO))
                + expression("cmp", number(1, 8), number(2, 0), nested(3, attribute(1, bytes([6]))))
                + expression("payload", number(1, 8), number(2, TRANSPORT), number(3, offset), number(4, 2))
                + expression("cmp", number(1, 8), number(2, 0), nested(3, attribute(1, port.to_bytes(2, "big"))))
                + expression("immediate", number(1, 0), nested(2, nested(2, number(1, 1))))  # accept
            )
    rules.append(
        expression("limit", number(1, MAX_RATE, 8), number(2, 1, 8), number(3, MAX_RATE), number(4, 0))
        + expression("immediate", number(1, 8), nested(2, attribute(1, b"\1\0\0\0")))
        + expression("meta", number(2, META_NFTRACE), number(3, 8))
    )
    return rules


def install(link: socket.socket, table: str, ports: list[int]) -> None:
    """Makes the table, in one transaction. Raises OSError."""
    parts = [message(BATCH_BEGIN, REQUEST, 1, 0, b"", 10)]
    parts.append(message(NEWTABLE, REQUEST | CREATE | ACK, 2, INET, text(1, table) + number(2, OWNER)))
    for chain, hook in HOOKS:
        where = nested(4, number(1, hook), number(2, PRIORITY)) + text(7, "filter")
        chain_of = text(1, table) + text(3, chain) + where
        parts.append(message(NEWCHAIN, REQUEST | CREATE | ACK, 3, INET, chain_of))
        for rule in trace_rules(ports):
            rule_of = text(1, table) + text(2, chain) + nested(4, rule)
            parts.append(message(NEWRULE, REQUEST | CREATE | APPEND | ACK, 4, INET, rule_of))
    expected = len(parts) - 1
    parts.append(message(BATCH_END, REQUEST, 5, 0, b"", 10))
    link.send(b"".join(parts))
    answered = 0
    while answered < expected:
        for kind, _, payload in messages(link.recv(1 << 16)):
            if kind == NLMSG_ERROR:
                (code,) = struct.unpack_from("=i", payload)
                if code:
                    raise OSError(-code, os.strerror(-code))
                answered += 1


def rule_numbers(link: socket.socket) -> dict[tuple[str, str, str, int], int]:
    """(family, table, chain, handle) → the number of the rule in its chain, from 1."""
    link.send(message(GETRULE, REQUEST | DUMP, 6, 0, b""))
    numbers: dict[tuple[str, str, str, int], int] = {}
    seen: dict[tuple[str, str, str], int] = {}
    while True:
        for kind, family, payload in messages(link.recv(1 << 20)):
            if kind in (NLMSG_DONE, NLMSG_ERROR):
                return numbers
            if kind == NEWRULE:
                values = attributes(payload[4:])
                chain = (FAMILIES.get(family, str(family)), name_of(values[1]), name_of(values[2]))
                seen[chain] = seen.get(chain, 0) + 1
                numbers[(*chain, int.from_bytes(values[3], "big"))] = seen[chain]


def rule_text(family: str, table: str, chain: str, handle: int, number: int) -> str:
    """A rule as iptables, else nft, writes it; empty where neither lists it."""
    commands = [["nft", "-a", "list", "chain", family, table, chain]]
    if family in LISTERS:
        commands.insert(0, [LISTERS[family], "-w", "1", "-t", table, "-S", chain, str(number)])
    for command in commands:
        printed = ""
        with suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=TEXT_WITHIN_S)
            printed = done.stdout.decode(errors="replace")
        for line in printed.splitlines():
            rule, mark, written = line.strip().partition(" # handle ")
            if command[0] != "nft" or (mark and written == str(handle)):
                return rule
    return ""


def headers(values: dict[int, bytes]) -> dict[str, Any]:
    """What the headers of a packet say, as far as the kernel sends them."""
    network, transport = values.get(8, b""), values.get(9, b"")
    if len(network) >= 20 and network[0] >> 4 == 4:
        protocol, ident, length = network[9], int.from_bytes(network[4:6], "big"), int.from_bytes(network[2:4], "big")
        src, dst, ttl = network[12:16], network[16:20], network[8]
    elif len(network) >= 40 and network[0] >> 4 == 6:
        protocol, ident, length = network[6], None, 40 + int.from_bytes(network[4:6], "big")
        src, dst, ttl = network[8:24], network[24:40], network[7]
    else:
        return {}
    packet: dict[str, Any] = {
        "src": str(ip_address(src)), "dst": str(ip_address(dst)), "proto": PROTOCOLS.get(protocol, str(protocol)),
        "ident": ident, "length": length, "ttl": ttl,
    }  # fmt: skip
    if protocol in (6, 17, 132) and len(transport) >= 4:
        packet["sport"], packet["dport"] = struct.unpack_from(">HH", transport)
    if protocol == 6 and len(transport) >= 14:
        packet["seq"], packet["flags"] = int.from_bytes(transport[4:8], "big"), transport[13]
    if protocol in (1, 58) and len(transport) >= 8:
        packet["icmp"], packet["echo"] = transport[0], int.from_bytes(transport[4:6], "big")
    return packet


class Tracer:
    """Turns events into lines."""

    def __init__(self, table: str, rules: socket.socket) -> None:
        self._table = table
        self._rules = rules
        self._numbers = rule_numbers(rules)
        self._packets: dict[bytes, dict[str, Any]] = {}
        self._interfaces: dict[int, str] = {}
        self.used: set[tuple[str, str, str, int]] = set()  # rules in the lines: family, table, chain, handle
        self.texts: dict[tuple[str, str, str, int], str] = {}  # of rules that drop, or were added meanwhile
        self._added: set[tuple[str, str, str, int]] = set()

    def line(self, family: int, payload: bytes) -> str | None:
        """The line for an event; None for a step that decides nothing."""
        values = attributes(payload[4:])
        identity = values.get(6, b"")
        if packet := headers(values):
            if len(self._packets) >= MAX_IDS:
                self._packets.clear()
            self._packets[identity] = packet | {
                name: self._interface(values[number]) for name, number in (("in", 10), ("out", 12)) if number in values
            }
        verdict = attributes(values.get(5, b"")).get(1) or values.get(16, b"\xff\xff\xff\xff")
        code = int.from_bytes(verdict, "big", signed=True)
        kind = int.from_bytes(values.get(4, b""), "big")
        table, chain = name_of(values.get(1, b"")), name_of(values.get(2, b""))
        is_own = table == self._table
        handle = int.from_bytes(values.get(3, b""), "big") if kind == RULE else 0
        key = FAMILIES.get(family, str(family)), table, chain, handle
        rule = self._number(key) if kind == RULE else 0
        decides = code == 0 or (rule and code in (1, 3))  # a policy that accepts is no news
        if kind not in (POLICY, RULE) or not (rule > 0 if is_own else decides):
            return None
        event = {
            "time": time.time_ns(), "id": identity.hex(), "family": key[0],
            "table": "" if is_own else table, "chain": chain, "verdict": "seen" if is_own else VERDICTS[code],
            "rule": rule, "handle": handle,
        }  # fmt: skip
        if not is_own and key not in self.used:
            self.used.add(key)
            if rule > 0 and (code == 0 or key in self._added) and len(self.texts) < MAX_TEXTS:
                self.texts[key] = rule_text(*key, rule)
        return json.dumps(event | self._packets.get(identity, {}), separators=(",", ":"))

    def numbers_now(self) -> list[tuple[str, str, str, int, int]]:
        """The rules of all lines as they are numbered now: rules before them may have come or gone."""
        numbers = rule_numbers(self._rules)
        return [(*key, numbers.get(key, -1)) for key in sorted(self.used) if key[3]]

    def _number(self, key: tuple[str, str, str, int]) -> int:
        """The number of an event's rule; -1 if it is not listed any more."""
        if key not in self._numbers:  # it was added meanwhile
            self._numbers = rule_numbers(self._rules)
            self._added.add(key)
        return self._numbers.setdefault(key, -1)

    def _interface(self, index: bytes) -> str:
        key = int.from_bytes(index, "big")
        if key not in self._interfaces:
            with suppress(OSError):  # it is gone
                self._interfaces[key] = socket.if_indextoname(key)
        return self._interfaces.get(key, str(key))


def main(label: str, ports: list[int]) -> None:
    """Traces until SIGTERM; then prints what has been received before it, and ends."""
    events, owner, rules = netlink(), netlink(), netlink()
    events.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    with suppress(OSError):  # of a rootless daemon's user
        events.setsockopt(socket.SOL_SOCKET, 33, BUFFER_BYTES)  # SO_RCVBUFFORCE: more than rmem_max
    events.setsockopt(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, NFNLGRP_NFTRACE)
    table = f"capnet-{label}"
    install(owner, table, ports)
    tracer, lines, lost = Tracer(table, rules), 0, 0
    is_ending: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: is_ending.append(number))
    events.settimeout(POLL_S)
    print(json.dumps({"tracing": table}), flush=True)
    while True:
        if was_ending := bool(is_ending):
            owner.close()  # and with it the table: nothing is marked any more
            events.setblocking(False)
        try:
            data = events.recv(1 << 16)
        except (TimeoutError, BlockingIOError):
            if was_ending:
                break
            continue
        except OSError as error:
            if error.errno != errno.ENOBUFS:
                raise
            lost += 1  # events came too quickly
            continue
        for kind, family, payload in messages(data):
            if kind == TRACE and (line := tracer.line(family, payload)):
                lines, lost = lines + 1, lost + (lines >= MAX_LINES)
                if lines <= MAX_LINES:
                    print(line)
    rules_now = {"rules": tracer.numbers_now(), "texts": [(*key, rule) for key, rule in tracer.texts.items() if rule]}
    print(json.dumps(rules_now), json.dumps({"lost": lost}), sep="\n", flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1], [int(port) for port in sys.argv[2:]])
    except OSError as error:
        raise SystemExit(f"netfilter cannot be traced: {error.strerror}") from error
