"""Sessions of BGP and IKE that an end refuses or ends, and says why in clear.

Input: messages (`core.payload`). Output: `Refusal`s, by protocol, ends and reason. Method: messages of errors from one
end to the other, counted at the point that shows most of them; a session is there again if messages that only a
session has follow the last one: of BGP KEEPALIVE or UPDATE of both ends, of IKE any with both SPIs and no error.
Not: CEASE for a collision of two connections, of which one stays; one INVALID_KE_PAYLOAD, after which a client tries
the group that it names.
"""

from __future__ import annotations

from collections.abc import Sequence

from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.payload import BgpMessages, IkeMessages
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text, address_value
from capnet.wire.protocols import bgp, ike

MIN_INVALID_KE = 2  # after the first one a client tries the group that it names
MIN_KEEPALIVES = 3  # of one end, in a new connection: the other one answers, else the session would end


class Refusal(NamedTuple):
    """Why one end has no session with another."""

    protocol: str  # "BGP", "IKEv1", "IKEv2"
    refuser: str
    refused: str
    code: int  # of BGP's NOTIFICATION, or of IKE's error
    detail: int  # subcode of BGP's
    messages: int
    is_over: bool  # a session is there since
    offers: list[int]  # AS number and hold time of the refused end's last OPEN; empty if none was seen
    evidence: list[Evidence]


@derived
def refusals(context: Context) -> list[Refusal]:
    """In order of protocols, ends and reasons."""
    groups: dict[tuple[object, ...], list[BgpMessages | IkeMessages]] = {}
    messages: list[BgpMessages | IkeMessages] = [*context.bgp]
    messages += context.ike
    for message in messages:
        if reason := _reason(message):
            ends = address_value(_source(message)), address_value(_destination(message))
            groups.setdefault((_protocol(message), ends, reason), []).append(message)
    of_groups = [_refusal(context, groups[key]) for key in sorted(groups, key=repr)]
    return [of for of in of_groups if not _is_usual(of)]


def _reason(message: BgpMessages | IkeMessages) -> tuple[int, int] | None:
    if isinstance(message, IkeMessages):
        return (message.error, 0) if message.error else None
    return (message.value, message.detail) if message.kind == bgp.NOTIFICATION else None


def _is_usual(of: Refusal) -> bool:
    if of.protocol == "BGP":
        return (of.code, of.detail) == (bgp.CEASE, bgp.COLLISION)
    return of.code == ike.INVALID_KE_PAYLOAD and (of.messages < MIN_INVALID_KE or of.is_over)


def _refusal(context: Context, group: Sequence[BgpMessages | IkeMessages]) -> Refusal:
    first, protocol = group[0], _protocol(group[0])
    refuser, refused = _source(first), _destination(first)
    code, detail = _reason(first) or (0, 0)
    by_point: dict[int, list[BgpMessages | IkeMessages]] = {}
    for message in group:
        by_point.setdefault(message.point, []).append(message)
    shown = max(by_point.values(), key=_packets)
    last = max(message.last for message in shown)
    at_point = _messages_between(context)[shown[0].point, protocol == "BGP", frozenset((refuser, refused))]
    evidence = sorted(context.evidence(message.point, message.first_frame) for message in group)[:MAX_EVIDENCE]
    return Refusal(
        protocol, refuser, refused, code, detail, _packets(shown), _is_there_since(at_point, last),
        _offers(at_point, refused), evidence,
    )  # fmt: skip


@derived
def _messages_between(context: Context) -> dict[tuple[int, bool, frozenset[str]], list[BgpMessages | IkeMessages]]:
    """Point, whether it is BGP, both ends → their messages there."""
    messages: list[BgpMessages | IkeMessages] = [*context.bgp]
    messages += context.ike
    between: dict[tuple[int, bool, frozenset[str]], list[BgpMessages | IkeMessages]] = {}
    for message in messages:
        ends = frozenset((_source(message), _destination(message)))
        between.setdefault((message.point, isinstance(message, BgpMessages), ends), []).append(message)
    return between


def _packets(messages: Sequence[BgpMessages | IkeMessages]) -> int:
    return sum(message.packets for message in messages)


def _is_there_since(messages: Sequence[BgpMessages | IkeMessages], last: int) -> bool:
    """Do messages that only a session has follow the last error?"""
    later = [message for message in messages if message.last > last]
    if any(isinstance(message, IkeMessages) and message.is_begun and not message.error for message in later):
        return True
    keepers = [message for message in later if isinstance(message, BgpMessages)]
    if any(of.first > last and of.kind == bgp.KEEPALIVE and of.packets >= MIN_KEEPALIVES for of in keepers):
        return True
    return len({_source(of) for of in keepers if of.kind in (bgp.UPDATE, bgp.KEEPALIVE)}) > 1


def _offers(messages: Sequence[BgpMessages | IkeMessages], end: str) -> list[int]:
    opens = [of for of in messages if isinstance(of, BgpMessages) and of.kind == bgp.OPEN and _source(of) == end]
    last = max(opens, key=_last, default=None)
    return [last.value, last.detail] if last else []


def _last(message: BgpMessages) -> int:
    return message.last


def _protocol(message: BgpMessages | IkeMessages) -> str:
    return "BGP" if isinstance(message, BgpMessages) else f"IKEv{message.version}"


def _source(message: BgpMessages | IkeMessages) -> str:
    return address_text(message.src_hi, message.src_lo)


def _destination(message: BgpMessages | IkeMessages) -> str:
    return address_text(message.dst_hi, message.dst_lo)
