"""Flow expressions: `host 172.17.0.2 and port 80` → a predicate that chooses flows.

The words are those of pcap-filter(7): `host`, `net`, `port`, `portrange`, `src`, `dst`, `ether`, names of protocols,
`and`, `or`, `not`, parentheses. `and` and `or` bind equally, from left to right, and an address alone repeats the
qualifiers before it. capnet adds `vni N`, `point NAME`, `id N` (ICMP echo), names of containers and hosts after `host`,
and Wireshark's `ip.addr == …`, `tcp.port in {…}`, `vxlan.vni == …`, so that a filter of a report can be pasted.

A flow matches if the expression is true at any hop of its flow chain, word by word. So `host web and port 8080` chooses
what reaches web:80 through a published port 8080, though no single hop shows both.
"""

from __future__ import annotations

from dataclasses import dataclass

from capnet.analysis.core.context import Context
from capnet.analysis.core.schema import FlowMask
from capnet.analysis.correlate.flow_links import flow_chains
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.filters import predicates
from capnet.analysis.filters.predicates import ChainedFlows, Predicate
from capnet.analysis.filters.tokens import Token, TokenStream
from capnet.analysis.filters.values import host_predicate, point_predicate, value_predicate
from capnet.analysis.filters.vocabulary import (
    AND,
    COMMON_FIELDS,
    DIRECTIONS,
    FIELDS,
    OR,
    OTHER_TYPES,
    TYPES,
    is_like_field,
    may_repeat_qualifiers,
    similar_word,
)
from capnet.errors import UsageError
from capnet.quick_tuple import NamedTuple

MAX_DEPTH = 100  # of parentheses and `not` in each other: each is a call of Python's, which ends at about a thousand
_AFTER_PRIMITIVE = (None, *AND, *OR, ")")


@dataclass(frozen=True)
class Expression:
    """A parsed expression."""

    text: str
    predicate: Predicate

    def flows(self, context: Context) -> FlowMask:
        """The flows that the expression chooses. Raises UsageError for a name that the capture does not know."""
        return self.predicate(ChainedFlows(context, flow_chains(flow_links(context), len(context.flows))))


def parse(text: str) -> Expression:
    """The expression `text`. Raises UsageError, which says what is wrong and where."""
    return Expression(text, _Parser(TokenStream.of(text)).whole())


def at_host(name: str) -> Expression:
    """`host NAME`, for a name with any characters."""
    return Expression(name, host_predicate(TokenStream(name, []), Token(name, 0), "any"))


def at_point(name: str) -> Expression:
    """`point NAME`, for a name with any characters."""
    return Expression(name, point_predicate(name, lambda message: UsageError(f"--point {name}: {message}")))


class _Qualifiers(NamedTuple):
    """What stands before a value: protocol, end (src, dst, any, both) and type."""

    proto: str | None
    end: str
    kind: str


class _Parser:
    """Recursive descent; one method for each rule."""

    def __init__(self, tokens: TokenStream) -> None:
        self._tokens = tokens
        self._depth = 0
        self._last: _Qualifiers | None = None  # repeated by a value alone

    def whole(self) -> Predicate:
        predicate = self._alternatives()
        token = self._tokens.peek()
        if token is None:
            return predicate
        if token.text == ")":
            raise self._tokens.error(token, "closes what was never opened")
        raise self._tokens.error(token, 'expected "and" or "or" before it')

    def _alternatives(self) -> Predicate:
        """Terms with and, or: equal precedence, left to right (pcap-filter(7))."""
        first, others = self._negation(), []
        while (word := self._tokens.peek_word()) in (*AND, *OR):
            self._tokens.skip()
            others.append((word in AND, self._negation()))
        return predicates.combined(first, others)

    def _negation(self) -> Predicate:
        """A primitive, perhaps with `not` before it, or an expression in parentheses."""
        token = self._tokens.next("expected host, port, a protocol or the like")
        if not token.quoted:
            if token.text in ("not", "!", "("):
                self._depth += 1
                if self._depth > MAX_DEPTH:
                    raise self._tokens.error(token, f"is inside of {MAX_DEPTH} others")
                inside = self._parenthesis(token) if token.text == "(" else predicates.negated(self._negation())
                self._depth -= 1
                return inside
            if token.text in (*AND, *OR, ")"):
                raise self._tokens.error(token, "has nothing before it to combine with")
            if token.text in FIELDS and self._tokens.peek_word() in ("==", "eq", "!=", "ne", "in"):
                return self._field(token)
        return self._primitive(token)

    def _parenthesis(self, opening: Token) -> Predicate:
        inside = self._alternatives()
        closing = self._tokens.peek()
        if closing is None or closing.text != ")":
            raise self._tokens.error(opening, "is never closed")
        self._tokens.skip()
        return inside

    # -- primitives of pcap-filter(7) ------------------------------------------------------------------
    def _primitive(self, token: Token) -> Predicate:
        """[protocol] [src | dst] [type] value; a protocol, a tunnel, an Ethernet address; or a value alone."""
        if not token.quoted:
            if token.text in predicates.TUNNELS and token.text not in predicates.PROTOCOLS:
                return self._tunnel(token)
            if token.text == "ether":
                return self._ether()
        first = token
        proto = end = kind = None
        if not token.quoted:
            if token.text in predicates.PROTOCOLS or token.text in predicates.FAMILIES:
                proto = token.text
                if self._tokens.peek_word() not in (*DIRECTIONS, *TYPES, "proto"):
                    return predicates.protocol(proto)
                token = self._tokens.next("")
            if token.text in DIRECTIONS:
                end = self._end(token)
                token = self._tokens.next(f"expected an address, a name, host, net or port after {token.text}")
            if not token.quoted and token.text in TYPES:
                kind = token.text
                token = self._tokens.next(f"expected a value after {kind}")
            elif not token.quoted and end is None and token.text in OTHER_TYPES:
                return self._other_type(token)
        if token is first:
            proto, end, kind = self._repeated_qualifiers(token)
        if token.text in ("and", "or", "not", "(", ")", *DIRECTIONS, *TYPES) and not token.quoted:
            raise self._tokens.error(token, f"expected a value for {kind or 'host'} here")
        self._last = _Qualifiers(proto, end or "any", kind or "host")
        predicate = value_predicate(self._tokens, token, self._last.kind, self._last.end)
        return predicates.both(predicates.protocol(proto), predicate) if proto else predicate

    def _repeated_qualifiers(self, token: Token) -> _Qualifiers | tuple[None, None, None]:
        """The qualifiers of the value before, for a value alone; without any, a value is a host."""
        if self._last:
            if not token.quoted and not may_repeat_qualifiers(token.text, self._last.kind):
                raise self._tokens.error(token, _unknown_word(token.text))
            return self._last
        if not token.quoted and self._tokens.peek_word() not in _AFTER_PRIMITIVE:
            raise self._tokens.error(token, _unknown_word(token.text))
        return None, None, None

    def _end(self, token: Token) -> str:
        """`src`, `dst`, `src or dst`, `src and dst`."""
        conjunction = self._tokens.peek_word()
        if conjunction in ("or", "and") and self._tokens.peek_word(1) in {*DIRECTIONS} - {token.text}:
            self._tokens.skip(2)
            return "both" if conjunction == "and" else "any"
        return token.text

    def _other_type(self, token: Token) -> Predicate:
        """`vni N`, `point NAME` and other types without an end."""
        value = self._tokens.next(f"expected a value after {token.text}")
        self._last = None
        return value_predicate(self._tokens, value, "host" if token.text == "container" else token.text, "any")

    def _ether(self) -> Predicate:
        """`ether [src | dst] [host] MAC`."""
        token, end = self._tokens.next("expected src, dst or host after ether"), "any"
        if token.text in DIRECTIONS:
            end = self._end(token)
            token = self._tokens.next("expected a MAC address")
        if token.text == "host":
            token = self._tokens.next("expected a MAC address after ether host")
        return value_predicate(self._tokens, token, "ether", end)

    def _tunnel(self, token: Token) -> Predicate:
        """`vxlan`, `vxlan N`."""
        kind = predicates.TUNNELS[token.text]
        inside = predicates.tunnel(kind.number)
        following = self._tokens.peek_word()
        if kind.id_name and following is not None and following.isdecimal():
            tunnel_id = value_predicate(self._tokens, self._tokens.next(""), kind.id_name.lower(), "any")
            return predicates.both(inside, tunnel_id)
        return inside

    # -- Wireshark's display filters -------------------------------------------------------------------
    def _field(self, token: Token) -> Predicate:
        """`FIELD == VALUE`, `FIELD != VALUE`, `FIELD in {VALUE, …}`."""
        kind, end, proto = FIELDS[token.text]
        operator = self._tokens.next("")
        if operator.text == "in":
            predicate = self._set(kind, end)
        else:
            predicate = self._field_value(self._tokens.next(f"expected a value after {operator.text}"), kind, end)
        if proto:
            predicate = predicates.both(predicates.protocol(proto), predicate)
        return predicates.negated(predicate) if operator.text in ("!=", "ne") else predicate

    def _set(self, kind: str, end: str) -> Predicate:
        opening = self._tokens.next("expected { after in")
        if opening.text != "{":
            raise self._tokens.error(opening, "expected { after in")
        first, others = self._field_value(self._tokens.next("expected a value"), kind, end), []
        while (following := self._tokens.next("expected , or }")).text == ",":
            others.append((False, self._field_value(self._tokens.next("expected a value"), kind, end)))
        if following.text != "}":
            raise self._tokens.error(following, "expected , or }")
        return predicates.combined(first, others)

    def _field_value(self, token: Token, kind: str, end: str) -> Predicate:
        """A value as Wireshark writes it: a range of ports has two dots, a network is an address with a prefix."""
        if kind == "port" and ".." in token.text:
            ports = Token(token.text.replace("..", "-"), token.start)
            return value_predicate(self._tokens, ports, "portrange", end)
        if kind == "host" and "/" in token.text and not token.quoted:
            return value_predicate(self._tokens, token, "net", end)
        return value_predicate(self._tokens, token, kind, end)


def _unknown_word(word: str) -> str:
    similar = similar_word(word)
    if not similar and is_like_field(word):
        return (
            f"is no field of flow expressions; they have {', '.join(COMMON_FIELDS)} and others of addresses and ports"
        )
    return f"is no word of flow expressions{f'; {similar}?' if similar else '; put a name after host'}"
