"""Flow expressions: `host 172.17.0.2 and port 80` → which flows are meant.

The words are those of pcap-filter(7): `host`, `net`, `port`, `portrange`, `src`, `dst`, `ether`, names of protocols,
`and`, `or`, `not`, parentheses; `and` and `or` bind equally, from left to right, and an address alone repeats the words
before it. Besides: `vni N`, `point NAME`, `id N` (ICMP echo), names of containers and hosts as hosts, and Wireshark's
`ip.addr == …`, `tcp.port in {…}`, `vxlan.vni == …`, so that a filter out of a report can be pasted.

An expression is about a flow in all its forms: a word holds when it holds at any hop. So `host web and port 8080` finds
what reaches web:80 through a published port 8080, though no single hop shows both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_network

import numpy as np

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import host_of
from capnet.analysis.core.schema import FLOW_POINT, FLOW_PROTO
from capnet.analysis.correlate.flow_links import flow_chains
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.filters import predicates
from capnet.analysis.filters.names import is_address, nearest, owned
from capnet.errors import UsageError
from capnet.wire.addresses import address_value, mac_value

_TYPES = ("host", "net", "port", "portrange")
_OTHERS = (*predicates.TUNNEL_IDS, "point", "container", "id", "proto", "ether")
MOST_WORDS = 10_000
MOST_DEPTH = 100  # of parentheses and `not` in each other
_WORDS = (
    "and",
    "or",
    "not",
    "src",
    "dst",
    *_TYPES,
    *_OTHERS,
    *predicates.PROTOCOLS,
    *predicates.FAMILIES,
    *predicates.TUNNELS,
)

# Wireshark's fields: (what is compared, end, protocol)
_FIELDS = {
    **{f"{family}.{end}": ("host", way, None) for family in ("ip", "ipv6") for end, way in
       (("addr", "any"), ("src", "src"), ("dst", "dst"), ("host", "any"), ("src_host", "src"), ("dst_host", "dst"))},
    **{f"{proto}.{end}": ("port", way, proto) for proto in ("tcp", "udp", "sctp") for end, way in
       (("port", "any"), ("srcport", "src"), ("dstport", "dst"))},
    **{f"eth.{end}": ("ether", way, None) for end, way in (("addr", "any"), ("src", "src"), ("dst", "dst"))},
    **{field: (word, "any", None) for word, kinds in predicates.TUNNEL_IDS.items() for kind in kinds
       for field in kind.id_fields},
    "ip.proto": ("proto", "any", None),
    "icmp.ident": ("id", "any", None), "icmpv6.echo.identifier": ("id", "any", None),
    "frame.interface_name": ("point", "any", None),
}  # fmt: skip

_ENDING = (None, "and", "or", "&&", "||", ")")  # what may follow a whole primitive

_TOKEN = re.compile(r'\s*("[^"]*"|&&|\|\||==|!=|[!(){},]|[^\s!(){},&|="]+|[&|="])')


@dataclass(frozen=True)
class Token:
    text: str
    at: int  # characters before it
    quoted: bool = False

    @property
    def end(self) -> int:
        return self.at + len(self.text) + 2 * self.quoted


@dataclass(frozen=True)
class Expression:
    """A parsed expression."""

    text: str
    mask: predicates.Mask

    def flows(self, context: Context) -> np.ndarray:
        """Which rows of the flow table belong to flows that are meant, as booleans. UsageError: a name nobody has."""
        return self.mask(predicates.Meaning(context, flow_chains(flow_links(context), len(context.flows))))


def parse(text: str) -> Expression:
    """Parse an expression. UsageError says what is wrong and where."""
    return Expression(text, _Parser(text).whole())


def at_host(name: str) -> Expression:
    """`host NAME`, for a name that may be anything."""
    return Expression(name, _Parser(name)._host(Token(name, 0), "any"))


# -- grammar ------------------------------------------------------------------------------------------
class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[Token] = []
        self.at = 0
        self.depth = 0
        self.last: tuple[str | None, str, str] | None = None  # protocol, end, type: for an address alone

    def _tokens(self) -> Iterator[Token]:
        at = 0
        while at < len(self.text) and (found := _TOKEN.match(self.text, at)):
            word, at = found.group(1), found.end()
            if word == '"':
                raise self._error(Token(word, found.start(1)), "is never closed")
            if word in ("&", "|", "="):
                raise self._error(Token(word, found.start(1)), f"is half an operator; write {word * 2}")
            quoted = word.startswith('"')
            yield Token(word[1:-1] if quoted else word, found.start(1), quoted)

    def whole(self) -> predicates.Mask:
        self.tokens = list(self._tokens())
        if len(self.tokens) > MOST_WORDS:
            raise UsageError(f"a flow expression of {len(self.tokens):,} words; {MOST_WORDS:,} are understood")
        if not self.tokens:
            raise UsageError("a flow expression is empty; try: host 172.17.0.2 and port 80")
        mask = self._alternatives()
        if self.at < len(self.tokens):
            token = self.tokens[self.at]
            if token.text == ")":
                raise self._error(token, "closes what was never opened")
            raise self._error(token, 'expected "and" or "or" before it')
        return mask

    def _alternatives(self) -> predicates.Mask:
        """and, or: equal precedence, left to right (pcap-filter(7))."""
        first, more = self._negation(), []
        while (token := self._peek()) and not token.quoted and token.text in ("and", "or", "&&", "||"):
            self.at += 1
            more.append((token.text in ("and", "&&"), self._negation()))
        return predicates.in_turn(first, more)

    def _negation(self) -> predicates.Mask:
        token = self._next("expected host, port, a protocol or the like")
        if not token.quoted:
            if token.text in ("not", "!", "("):
                self.depth += 1
                if self.depth > MOST_DEPTH:
                    raise self._error(token, f"is inside of {MOST_DEPTH} others")
                mask = self._inside(token) if token.text == "(" else predicates.negated(self._negation())
                self.depth -= 1
                return mask
            if token.text in ("and", "or", "&&", "||", ")"):
                raise self._error(token, "has nothing before it to combine with")
            if token.text in _FIELDS and self._peek_text() in ("==", "eq", "!=", "ne", "in"):
                return self._field(token)
        return self._primitive(token)

    def _inside(self, opening: Token) -> predicates.Mask:
        mask = self._alternatives()
        closing = self._peek()
        if closing is None or closing.text != ")":
            raise self._error(opening, "is never closed")
        self.at += 1
        return mask

    # -- pcap-filter's words
    def _primitive(self, token: Token) -> predicates.Mask:
        proto = end = kind = None
        first = token
        if not token.quoted:
            if token.text in predicates.TUNNELS and token.text not in predicates.PROTOCOLS:
                return self._tunnel(token)
            if token.text == "ether":
                return self._ether()
            if token.text in predicates.PROTOCOLS or token.text in predicates.FAMILIES:
                proto = token.text
                following = self._peek_text()
                if following not in ("src", "dst", *_TYPES) and following != "proto":
                    return predicates.protocol(proto)
                token = self._next("")
            if token.text in ("src", "dst"):
                end = self._end(token)
                token = self._next(f"expected an address, a name, host, net or port after {token.text}")
            if not token.quoted and token.text in _TYPES:
                kind = token.text
                token = self._next(f"expected a value after {kind}")
            elif not token.quoted and end is None and token.text in _OTHERS:
                return self._other(token)
        if kind is None and end is None and proto is None and self.last and token is first:
            if not token.quoted and not _is_value(token.text, self.last[2]):
                raise self._error(token, self._unknown(token.text))
            proto, end, kind = self.last
        elif token is first and not token.quoted and self._peek_text() not in _ENDING:
            raise self._error(token, self._unknown(token.text))
        if token.text in ("and", "or", "not", "(", ")", "src", "dst", *_TYPES) and not token.quoted:
            raise self._error(token, f"expected a value for {kind or 'host'} here")
        end, kind = end or "any", kind or "host"
        self.last = (proto, end, kind)
        mask = self._value(token, kind, end)
        return predicates.both(predicates.protocol(proto), mask) if proto else mask

    def _end(self, token: Token) -> str:
        """`src`, `dst`, `src or dst`, `src and dst`."""
        if self._peek_text() in ("or", "and") and self._peek_text(1) in {"src", "dst"} - {token.text}:
            both = self._peek_text() == "and"
            self.at += 2
            return "both" if both else "any"
        return token.text

    def _other(self, token: Token) -> predicates.Mask:
        value = self._next(f"expected a value after {token.text}")
        self.last = None
        return self._value(value, "host" if token.text == "container" else token.text, "any")

    def _ether(self) -> predicates.Mask:
        token, end = self._next("expected src, dst or host after ether"), "any"
        if token.text in ("src", "dst"):
            end = self._end(token)
            token = self._next("expected a MAC address")
        if token.text == "host":
            token = self._next("expected a MAC address after ether host")
        return self._value(token, "ether", end)

    def _tunnel(self, token: Token) -> predicates.Mask:
        kind = predicates.TUNNELS[token.text]
        inside = predicates.tunnelled(kind.number)
        following = self._peek_text()
        if kind.id_name and following is not None and following.isdecimal():
            return predicates.both(inside, self._value(self._next(""), kind.id_name.lower(), "any"))
        return inside

    # -- Wireshark's
    def _field(self, token: Token) -> predicates.Mask:
        kind, end, proto = _FIELDS[token.text]
        operator = self._next("")
        if operator.text == "in":
            opening = self._next("expected { after in")
            if opening.text != "{":
                raise self._error(opening, "expected { after in")
            first, more = self._ranged(self._next("expected a value"), kind, end), []
            while (following := self._next("expected , or }")).text == ",":
                more.append((False, self._ranged(self._next("expected a value"), kind, end)))
            mask = predicates.in_turn(first, more)
            if following.text != "}":
                raise self._error(following, "expected , or }")
        else:
            mask = self._ranged(self._next(f"expected a value after {operator.text}"), kind, end)
        if proto:
            mask = predicates.both(predicates.protocol(proto), mask)
        return predicates.negated(mask) if operator.text in ("!=", "ne") else mask

    def _ranged(self, token: Token, kind: str, end: str) -> predicates.Mask:
        if kind == "port" and ".." in token.text:
            return self._value(Token(token.text.replace("..", "-"), token.at), "portrange", end)
        if kind == "host" and "/" in token.text and not token.quoted:
            return self._value(token, "net", end)
        return self._value(token, kind, end)

    # -- values
    def _value(self, token: Token, kind: str, end: str) -> predicates.Mask:
        word = token.text
        if kind == "host":
            return self._host(token, end)
        if kind == "net":
            return predicates.network(*self._net(token), end)
        if kind in ("port", "portrange"):
            low, _, high = word.partition("-")
            if kind == "port" and high:
                raise self._error(token, "is a range; write portrange")
            numbers = [self._number(token, each, 0, 65535, "a port number") for each in (low, high or low)]
            if numbers[0] > numbers[1]:
                raise self._error(token, "the first port is above the last")
            return predicates.ports(numbers[0], numbers[1], end)
        if kind in predicates.TUNNEL_IDS:
            tunnels = predicates.TUNNEL_IDS[kind]
            highest = (1 << max(bits for each in tunnels for bits in each.id_fields.values())) - 1
            return predicates.tunnel_id(kind, self._number(token, word, 0, highest, f"a {tunnels[0].id_name}"))
        if kind == "id":
            return predicates.echo(self._number(token, word, 0, 0xFFFF, "an ICMP echo identifier"))
        if kind == "proto":
            if word in predicates.PROTOCOLS:
                return predicates.protocol(word)
            number = self._number(token, word, 0, 255, "an IP protocol")
            return lambda on: on.anywhere(on.context.flows[:, FLOW_PROTO] == number)
        if kind == "ether":
            try:
                return predicates.mac(mac_value(word), end)
            except ValueError:
                raise self._error(token, "is no MAC address; write it as 02:42:ac:11:00:02") from None
        return self._point(token)

    def _host(self, token: Token, end: str) -> predicates.Mask:
        word = token.text
        if is_address(word):
            where = address_value(word)
            return lambda on: on.anywhere(predicates.address(on.context.flows, where, end))
        if re.fullmatch(r"[\d.]+(/\d+)?", word):
            hint = "write net for a network" if "/" in word or word.count(".") < 3 else "its numbers go to 255"
            raise self._error(token, f"is no address; {hint}")

        def mask(on: predicates.Meaning) -> np.ndarray:
            try:
                owners = owned(on.context, word)
            except UsageError as error:
                raise self._error(token, str(error)) from None
            if owners is None:
                word_meant = get_close_matches(word, _WORDS, 1, 0.6)
                hint = f"the word {word_meant[0]}? " if word_meant else ""
                raise self._error(token, f"nobody has this name; {hint}{nearest(on.context, word)}")
            hosts = np.array([host_of(point.name) or "" for point in on.context.points] or [""])
            rows = np.zeros(len(on.context.flows), dtype=bool)
            for host, address in owners:
                found = predicates.address(on.context.flows, address_value(address), end)
                if host is not None:  # several hosts own this address: it means this one at its own points only
                    found &= hosts[on.context.flows[:, FLOW_POINT]] == host
                rows |= found
            return on.anywhere(rows)

        return mask

    def _net(self, token: Token) -> tuple[int, int]:
        """A network as (first address, prefix length) of 128 bits; `172.17` is 172.17.0.0/16."""
        word = token.text
        if re.fullmatch(r"\d+(\.\d+){0,2}", word):
            given = word.count(".") + 1
            word = word + ".0" * (4 - given) + f"/{8 * given}"
        if self._peek_text() == "mask":
            self.at += 1
            word += "/" + self._next("expected a mask such as 255.255.0.0").text
        try:
            network = ip_network(word, strict=False)
        except ValueError:
            raise self._error(token, "is no network; write it as 172.17.0.0/16") from None
        if network.version == 4:
            return 0xFFFF << 32 | int(network.network_address), 96 + network.prefixlen
        return int(network.network_address), network.prefixlen

    def _point(self, token: Token) -> predicates.Mask:
        def mask(on: predicates.Meaning) -> np.ndarray:
            here = np.array([each.name == token.text for each in on.context.points] or [False])
            if not here.any():
                known = [" ".join(each.name.split()) for each in on.context.points]
                raise self._error(token, f"there is no such point; there are {', '.join(known[:12])}")
            return on.anywhere(here[on.context.flows[:, FLOW_POINT]])

        return mask

    def _number(self, token: Token, word: str, low: int, high: int, what: str) -> int:
        value = (
            int(word, 0) if re.fullmatch(r"0x[0-9a-fA-F]{1,8}|\d{1,10}", word) and not re.match(r"0\d", word) else -1
        )
        if not low <= value <= high:
            raise self._error(token, f"is not {what} ({low} to {high})")
        return value

    # -- tokens and errors
    def _peek(self, ahead: int = 0) -> Token | None:
        return self.tokens[self.at + ahead] if self.at + ahead < len(self.tokens) else None

    def _peek_text(self, ahead: int = 0) -> str | None:
        token = self._peek(ahead)
        return token.text if token and not token.quoted else None

    def _next(self, otherwise: str) -> Token:
        token = self._peek()
        if token is None:
            raise self._error(Token("", len(self.text)), otherwise)
        self.at += 1
        return token

    def _unknown(self, word: str) -> str:
        close = get_close_matches(word, _WORDS, 1, 0.6)
        return f"is no word of flow expressions{f'; {close[0]}?' if close else '; put a name after host'}"

    def _error(self, token: Token, says: str) -> UsageError:
        before, wrong, after = self.text[: token.at], self.text[token.at : token.end], self.text[token.end :]
        shown = " ".join(f"{before}▶{wrong}◀{after}".split("\n"))
        subject = f'"{wrong}" ' if wrong and says[:1].islower() and not says.startswith(("expected", "nobody")) else ""
        return UsageError(f"flow expression at character {token.at + 1}: {shown}: {subject}{says}")


def _is_value(text: str, kind: str) -> bool:
    """Could this word alone stand for another value of `kind`, the words before it repeated?"""
    if kind in ("port", "portrange"):
        return text[:1].isdigit()
    return text not in _WORDS
