"""New IP and MAC addresses for those of a capture, one for one.

Kept: which addresses share a subnet; whether an address is private (RFC 1918, RFC 4193), link-local, loopback,
multicast or global; the gateway's .1, broadcasts; MACs made of an IPv4 address, as Docker's 02:42, and IPv6 addresses
made of a MAC (RFC 4291, appendix A). Global addresses become ones for documentation (RFC 5737, RFC 3849), beyond
three /24 ones for benchmarks (RFC 2544). No address is replaced by another one of the capture.
Method: first `note` all addresses, then `assign` subnets and hosts by drawing, then look up.
Limits: without a topology, the size of a subnet is guessed: /16 in 172.16.0.0/12, /64, else /24.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address, ip_network

from capnet.quick_tuple import NamedTuple

_KEPT4 = tuple(map(IPv4Network, ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/4", "255.255.255.255/32")))


class _Area(NamedTuple):
    """Addresses of one meaning: they stay in it. `usual`: prefix length of a subnet that is not known."""

    network: IPv4Network
    usual: int


_AREAS = tuple(
    _Area(IPv4Network(network), usual)
    for network, usual in (
        ("10.0.0.0/8", 24), ("172.16.0.0/12", 16), ("192.168.0.0/16", 24), ("169.254.0.0/16", 16),
        ("100.64.0.0/10", 24),
    )
)  # fmt: skip
_DOCUMENTATION = tuple(map(IPv4Network, ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")))
_BENCHMARKS = IPv4Network("198.18.0.0/15")
_WIDE = _Area(IPv4Network("0.0.0.0/0"), 24)

_LINK_LOCAL, _UNIQUE_LOCAL, _MAPPED, _TRANSLATED = (
    ip_network(text) for text in ("fe80::/10", "fc00::/7", "::ffff:0:0/96", "64:ff9b::/96")
)
_SOLICITED = ip_network("ff02::1:ff00:0/104")
_HOST_BITS = (1 << 64) - 1
MAX_TRIES = 2000  # draws of a subnet or a MAC before capnet takes one that some address of the capture lies in
SMALL_HOST = 1 << 16  # numbers of IPv6 hosts below were counted, not drawn

Draw = Callable[[int], int]  # below this number


def drawn(below: int) -> int:
    """A number from 0 on, below `below`, that cannot be foreseen."""
    return int.from_bytes(os.urandom(16)) % below


class Addresses:
    """Maps addresses. While `is_noting`, they are collected and returned as they are."""

    def __init__(self, subnets: Iterable[str] = (), draw: Draw = drawn) -> None:
        self.is_noting = True
        self._draw = draw
        self._ips: dict[str, str] = {}
        self._macs: dict[bytes, bytes] = {}
        self._subnets = {network for text in subnets if (network := ip_network(text, strict=False)).version == 4}
        self._hosts: dict[int, int] = {}  # lower halves of IPv6 addresses
        self._prefixes: dict[int, int] = {}  # upper halves
        self._new_subnets: dict[IPv4Network, IPv4Network] = {}
        self._originals: set[str] = set()
        self._taken_macs: set[bytes] = set()
        self._tails: dict[int, str] = {}  # last 24 bits → address

    # -- looking up ---------------------------------------------------------------------------------
    def ip(self, packed: bytes) -> bytes:
        """The new address of 4 or 16 octets."""
        return ip_address(self.text(str(ip_address(packed)))).packed

    def text(self, address: str) -> str:
        """The new address of one in text."""
        if self.is_noting:
            self._ips.setdefault(address, address)
        elif address not in self._ips:
            self._assign_ips([address])
        return self._ips[address]

    def mac(self, packed: bytes) -> bytes:
        """The new MAC address of 6 octets."""
        if self.is_noting:
            self._macs.setdefault(packed, packed)
        elif packed not in self._macs:
            self._macs[packed] = self._new_mac(packed)
        return self._macs[packed]

    def originals(self) -> list[str]:
        """The addresses of the capture that were replaced by others: IP addresses and MACs, as text."""
        macs = ((old, new) for old, new in self._macs.items() if old != new)
        return [old for old, new in self._ips.items() if old != new] + [old.hex(":") for old, _ in macs]

    # -- assigning ----------------------------------------------------------------------------------
    def assign(self) -> None:
        """Give each address that was noted its new one."""
        self.is_noting = False
        noted_macs, noted = list(self._macs), list(self._ips)
        self._ips.clear()
        self._macs.clear()
        self._taken_macs = set(noted_macs)
        self._originals = set(noted)
        self._tails = {int(IPv6Address(text)) & 0xFFFFFF: text for text in noted if ":" in text and text[:2] != "ff"}
        self._assign_ips(noted)
        for mac in noted_macs:
            self.mac(mac)

    def _assign_ips(self, addresses: list[str]) -> None:
        self._assign_v4([IPv4Address(text) for text in addresses if ":" not in text])
        for text in addresses:
            if ":" in text:
                self._ips[text] = str(self._new_v6(IPv6Address(text)))

    def _assign_v4(self, addresses: list[IPv4Address]) -> None:
        of_subnet: dict[IPv4Network, list[IPv4Address]] = {}
        for address in addresses:
            if any(address in network for network in _KEPT4):
                self._ips[str(address)] = str(address)
            else:
                of_subnet.setdefault(self._subnet(address), []).append(address)
        self._subnets.update(of_subnet)
        for subnet, members in of_subnet.items():
            if subnet not in self._new_subnets:
                self._new_subnets[subnet] = self._new_subnet(subnet)
            self._number(subnet, self._new_subnets[subnet], members)

    def _subnet(self, address: IPv4Address) -> IPv4Network:
        """The widest known subnet that has the address, or the usual one."""
        holding = [network for network in self._subnets if address in network and network.prefixlen > 8]
        if holding:
            return min(holding, key=lambda network: network.prefixlen)
        return IPv4Network((address, _area(address).usual), strict=False)

    def _new_subnet(self, subnet: IPv4Network) -> IPv4Network:
        """A subnet of the same size and meaning, that overlaps none of the capture, if there is one."""
        area = _area(subnet.network_address)
        if area is not _WIDE and subnet.prefixlen <= area.network.prefixlen:
            return area.network
        used = set(self._new_subnets.values())
        if area is _WIDE and subnet.prefixlen >= 24:
            pools = [network for network in _DOCUMENTATION if network not in used and network not in self._subnets]
            if pools:
                return IPv4Network((pools[0].network_address, subnet.prefixlen))
        pool = _BENCHMARKS if area is _WIDE else area.network
        prefix = max(subnet.prefixlen, pool.prefixlen)
        for attempt in range(MAX_TRIES):
            offset = self._draw(1 << (prefix - pool.prefixlen)) << (32 - prefix)
            candidate = IPv4Network((int(pool.network_address) + offset, prefix))
            is_free = not any(candidate.overlaps(other) for other in used)
            is_other = not any(candidate.overlaps(other) for other in self._subnets)
            if is_free and (is_other or attempt > MAX_TRIES // 2):
                break
        return candidate

    def _number(self, old: IPv4Network, new: IPv4Network, members: list[IPv4Address]) -> None:
        """Number the hosts of a subnet anew, from 2 on, in a drawn order; its first two and its last number stay."""
        first, last = int(old.network_address), int(old.broadcast_address)
        kept = {first: 0, first + 1: 1, last: new.num_addresses - 1}
        others = sorted(
            (int(member) for member in members if int(member) not in kept), key=lambda _: self._draw(1 << 64)
        )
        number = 2
        given = set(self._ips.values())
        for value in [*(int(member) for member in members if int(member) in kept), *others]:
            candidate = int(new.network_address) + kept.get(value, number)
            while value not in kept and (
                str(IPv4Address(candidate)) in self._originals or str(IPv4Address(candidate)) in given
            ):
                number += 1
                candidate = int(new.network_address) + number
            number += value not in kept
            self._ips[str(IPv4Address(value))] = str(IPv4Address(candidate & 0xFFFFFFFF))

    # -- IPv6 -----------------------------------------------------------------------------------------
    def _new_v6(self, address: IPv6Address) -> IPv6Address:
        value = int(address)
        if address in _MAPPED or address in _TRANSLATED:
            return IPv6Address(value >> 32 << 32 | int(IPv4Address(self.text(str(IPv4Address(value & 0xFFFFFFFF))))))
        if address in _SOLICITED:
            return IPv6Address(value >> 24 << 24 | self._new_tail(value & 0xFFFFFF))
        if address.is_multicast or value <= 1:
            return address
        return IPv6Address(self._new_prefix(address) << 64 | self._new_host(value & _HOST_BITS))

    def _new_prefix(self, address: IPv6Address) -> int:
        prefix = int(address) >> 64
        if address in _LINK_LOCAL:
            return prefix
        if prefix not in self._prefixes:
            random = self._draw(1 << 56) if address in _UNIQUE_LOCAL else self._draw(1 << 32)
            self._prefixes[prefix] = 0xFD << 56 | random if address in _UNIQUE_LOCAL else 0x20010DB8 << 32 | random
        return self._prefixes[prefix]

    def _new_host(self, host: int) -> int:
        if host <= 1:
            return host
        if host not in self._hosts:
            octets = host.to_bytes(8)
            if octets[3:5] == b"\xff\xfe":
                mac = self.mac(bytes([octets[0] ^ 2]) + octets[1:3] + octets[5:])
                self._hosts[host] = int.from_bytes(bytes([mac[0] ^ 2]) + mac[1:3] + b"\xff\xfe" + mac[3:])
            elif host < SMALL_HOST:
                numbers = set(self._hosts) | set(self._hosts.values())
                self._hosts[host] = next(number for number in range(2, 1 << 17) if number not in numbers)
            else:
                self._hosts[host] = self._draw(1 << 64)
        return self._hosts[host]

    def _new_tail(self, tail: int) -> int:
        """The last 24 bits of the address that a solicited-node multicast address is made of."""
        if tail in self._tails:
            return int(IPv6Address(self.text(self._tails[tail]))) & 0xFFFFFF
        return self._new_host(tail) & 0xFFFFFF

    # -- MACs ---------------------------------------------------------------------------------------
    def _new_mac(self, mac: bytes) -> bytes:
        if mac[:2] == b"\x33\x33":
            group = IPv6Address(int(IPv6Address("ff02::1:ff00:0")) | int.from_bytes(mac[3:]))
            return mac[:3] + self._new_v6(group).packed[13:] if mac[2] == 0xFF else mac
        if mac[0] & 1 or mac == bytes(6) or mac[:5] == bytes.fromhex("00005e0001"):
            return mac
        if mac[:2] == b"\x02\x42":
            made_of = str(IPv4Address(mac[2:]))
            if made_of in self._originals:
                return mac[:2] + IPv4Address(self.text(made_of)).packed
        for _ in range(MAX_TRIES):
            value = self._draw(1 << 40).to_bytes(5)
            # The octets behind Docker's prefix are a private address only where the MAC is a container's.
            is_docker = mac[:2] == b"\x02\x42"
            new = b"\x02\x42\x40" + value[:3] if is_docker else _drawn_mac(mac, value)
            if new not in self._taken_macs:
                break
        self._taken_macs.add(new)
        return new


def _drawn_mac(mac: bytes, value: bytes) -> bytes:
    """A MAC that is locally or globally administered, as the old one; without 02:42 at its beginning."""
    return bytes([value[0] & 0xFC | mac[0] & 3 | (0x10 if mac[0] & 3 == 2 else 0)]) + value


def _area(address: IPv4Address) -> _Area:
    return next((area for area in _AREAS if address in area.network), _WIDE)
