"""What ICMP errors are called, by type and code (IANA ICMP Parameters, ICMPv6 Parameters), in lower case."""

from __future__ import annotations

from capnet.wire import numbers

_UNREACHABLE = {
    0: "network unreachable",
    1: "host unreachable",
    2: "protocol unreachable",
    3: "port unreachable",
    4: "fragmentation needed",
    5: "source route failed",
    6: "network unknown",
    7: "host unknown",
    9: "network administratively prohibited",
    10: "host administratively prohibited",
    11: "network unreachable for this type of service",
    12: "host unreachable for this type of service",
    13: "communication administratively prohibited",
    14: "host precedence violation",
    15: "precedence cutoff in effect",
}
_REDIRECT = {0: "redirect for a network", 1: "redirect for a host"}
_EXPIRED = {0: "time exceeded in transit", 1: "fragment reassembly time exceeded"}
_UNREACHABLE_V6 = {
    0: "no route to destination",
    1: "administratively prohibited",
    2: "beyond scope of source address",
    3: "address unreachable",
    4: "port unreachable",
    5: "source address failed ingress or egress policy",
    6: "reject route to destination",
}
_EXPIRED_V6 = {0: "hop limit exceeded in transit", 1: "fragment reassembly time exceeded"}

# Type → its name, and the names of its codes.
_V4: dict[int, tuple[str, dict[int, str]]] = {
    numbers.ICMP_UNREACHABLE: ("destination unreachable", _UNREACHABLE),
    numbers.ICMP_SOURCE_QUENCH: ("source quench", {}),
    numbers.ICMP_REDIRECT: ("redirect", _REDIRECT),
    numbers.ICMP_TIME_EXCEEDED: ("time exceeded", _EXPIRED),
    numbers.ICMP_PARAMETER_PROBLEM: ("parameter problem", {}),
}
_V6: dict[int, tuple[str, dict[int, str]]] = {
    numbers.ICMPV6_UNREACHABLE: ("destination unreachable", _UNREACHABLE_V6),
    numbers.ICMPV6_PACKET_TOO_BIG: ("packet too big", {}),
    numbers.ICMPV6_TIME_EXCEEDED: ("time exceeded", _EXPIRED_V6),
    numbers.ICMPV6_PARAMETER_PROBLEM: ("parameter problem", {}),
}


def icmp_error_name(is_v6: bool, icmp_type: int, code: int) -> str:
    """`host unreachable`; of a code without a name, `destination unreachable, code 42`."""
    name, codes = (_V6 if is_v6 else _V4).get(icmp_type, (f"type {icmp_type}", {}))
    if code in codes:
        return codes[code]
    return name if code == 0 else f"{name}, code {code}"
