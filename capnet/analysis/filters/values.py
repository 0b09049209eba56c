"""Values of a flow expression: what comes after `host`, `net`, `port`, `vni` and the other types.

Output: the predicate of a value. Each function raises UsageError, which points at the token, for a value that is not of
its type. Names of hosts and points are looked up when the predicate is asked about a capture.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_network

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.flow_rows import host_of
from capnet.analysis.core.schema import FlowMask
from capnet.analysis.filters import predicates
from capnet.analysis.filters.names import addresses_of, is_address, name_hint, points_called
from capnet.analysis.filters.predicates import ChainedFlows, Predicate
from capnet.analysis.filters.tokens import Token, TokenStream
from capnet.analysis.filters.vocabulary import similar_word
from capnet.errors import UsageError
from capnet.wire.addresses import address_value, mac_value

MAX_POINT_NAMES = 12  # listed in an error


def value_predicate(tokens: TokenStream, token: Token, kind: str, end: str) -> Predicate:
    """The predicate of one value; `end` is src, dst, any or both."""
    if kind == "host":
        return host_predicate(tokens, token, end)
    if kind == "net":
        return predicates.network(*_network(tokens, token), end)
    if kind in ("port", "portrange"):
        return predicates.ports(*_ports(tokens, token, kind), end)
    if kind in predicates.TUNNEL_IDS:
        return _tunnel_id_predicate(tokens, token, kind)
    if kind == "id":
        return predicates.echo_identifier(_number(tokens, token, token.text, 0, 0xFFFF, "an ICMP echo identifier"))
    if kind == "proto":
        return _protocol_predicate(tokens, token)
    if kind == "ether":
        return predicates.mac(_mac(tokens, token), end)
    return point_predicate(token.text, lambda message: tokens.error(token, message))


def host_predicate(tokens: TokenStream, token: Token, end: str) -> Predicate:
    """Flows of an address, or of all addresses that a name has."""
    word = token.text
    if is_address(word):
        value = address_value(word)
        return lambda flows: flows.at_any_hop(predicates.has_address(flows.table, value, end))
    if re.fullmatch(r"[\d.]+(/\d+)?", word):
        hint = "write net for a network" if "/" in word or word.count(".") < 3 else "its numbers go to 255"
        raise tokens.error(token, f"is no address; {hint}")

    def predicate(flows: ChainedFlows) -> FlowMask:
        try:
            addresses = addresses_of(flows.context, word)
        except UsageError as error:
            raise tokens.error(token, str(error)) from None
        if addresses is None:
            similar = similar_word(word)
            hint = f"the word {similar}? " if similar else ""
            raise tokens.error(token, f"no station has this name; {hint}{name_hint(flows.context, word)}")
        hosts = np.array([host_of(point.name) or "" for point in flows.context.points] or [""])
        mask = np.zeros(len(flows.table), dtype=bool)
        for host, address in addresses:
            has_address = predicates.has_address(flows.table, address_value(address), end)
            if host is not None:  # several hosts have this address: it means this host's at its own points only
                has_address &= hosts[flows.table[:, schema.FLOW_POINT]] == host
            mask |= has_address
        return flows.at_any_hop(mask)

    return predicate


def point_predicate(name: str, error: Callable[[str], UsageError]) -> Predicate:
    """Flows that were seen at a point, called as the report calls it or as `points_called` understands.

    `error` makes an error of what is wrong with the name.
    """

    def predicate(flows: ChainedFlows) -> FlowMask:
        points = flows.context.points
        numbers = points_called(name, points)
        if len(numbers) != 1:
            names = [" ".join(points[number].name.split()) for number in numbers or range(len(points))]
            why = "is several points" if numbers else "names no point; there are"
            raise error(f"{why}{':' if numbers else ''} {', '.join(names[:MAX_POINT_NAMES])}")
        return flows.at_any_hop(flows.table[:, schema.FLOW_POINT] == numbers[0])

    return predicate


def _protocol_predicate(tokens: TokenStream, token: Token) -> Predicate:
    if token.text in predicates.PROTOCOLS:
        return predicates.protocol(token.text)
    number = _number(tokens, token, token.text, 0, 255, "an IP protocol")
    return lambda flows: flows.at_any_hop(flows.table[:, schema.FLOW_PROTO] == number)


def _tunnel_id_predicate(tokens: TokenStream, token: Token, word: str) -> Predicate:
    kinds = predicates.TUNNEL_IDS[word]
    highest = (1 << max(kind.id_bits for kind in kinds)) - 1
    return predicates.tunnel_id(word, _number(tokens, token, token.text, 0, highest, f"a {kinds[0].id_name}"))


def _network(tokens: TokenStream, token: Token) -> tuple[int, int]:
    """(first address, prefix length) of a network, of 128 bits; `172.17` is 172.17.0.0/16."""
    word = token.text
    if re.fullmatch(r"\d+(\.\d+){0,2}", word):
        octets = word.count(".") + 1
        word = word + ".0" * (4 - octets) + f"/{8 * octets}"
    if tokens.peek_word() == "mask":
        tokens.skip()
        word += "/" + tokens.next("expected a mask such as 255.255.0.0").text
    try:
        network = ip_network(word, strict=False)
    except ValueError:
        raise tokens.error(token, "is no network; write it as 172.17.0.0/16") from None
    if network.version == 4:
        return 0xFFFF << 32 | int(network.network_address), 96 + network.prefixlen
    return int(network.network_address), network.prefixlen


def _ports(tokens: TokenStream, token: Token, kind: str) -> tuple[int, int]:
    """(first port, last port)."""
    low, _, high = token.text.partition("-")
    if kind == "port" and high:
        raise tokens.error(token, "is a range; write portrange")
    first, last = (_number(tokens, token, word, 0, 65535, "a port number") for word in (low, high or low))
    if first > last:
        raise tokens.error(token, "the first port is above the last")
    return first, last


def _mac(tokens: TokenStream, token: Token) -> int:
    try:
        return mac_value(token.text)
    except ValueError:
        raise tokens.error(token, "is no MAC address; write it as 02:42:ac:11:00:02") from None


def _number(tokens: TokenStream, token: Token, word: str, low: int, high: int, what: str) -> int:
    """A decimal or hexadecimal number. A leading 0 may mean octal elsewhere, so it is refused."""
    is_number = re.fullmatch(r"0x[0-9a-fA-F]{1,8}|\d{1,10}", word) and not re.match(r"0\d", word)
    value = int(word, 0) if is_number else -1
    if not low <= value <= high:
        raise tokens.error(token, f"is not {what} ({low} to {high})")
    return value
