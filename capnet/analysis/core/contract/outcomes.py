"""Facts about what became of packets: fates, proxied connections, ICMP errors, requests for MACs of neighbours.

As `core.results`: the comment of a field is its entry in docs/report.md; a unit is in brackets. A field that is called
as a keyword of Python ends in `_`, its key in JSON does not.
"""

from __future__ import annotations

from dataclasses import field

from capnet.analysis.core.results import Answer, Evidence, FlowKey
from capnet.quick_dataclass import fact


@fact
class Proxy:
    """Two connections with the same payload: a process such as docker-proxy reads one and writes the other."""

    proto: str  # protocol
    client_side: FlowKey  # the connection from the client
    server_side: FlowKey  # the connection to the server
    because: str  # what shows it, in a sentence
    evidence: list[Evidence] = field(default_factory=list)  # frames of both connections


@fact
class Fate:
    """What became of the packets of one flow, from its first hop to its last one."""

    proto: str  # protocol
    flow: FlowKey  # the flow at its first hop
    id: int | None  # ICMP echo identifier at its first hop
    fate: str  # what became of it; docs/report.md has a table
    point: str  # where its packets, or the answers, were last seen
    next: str | None  # where they were due after that point; of `loses`, where the others arrived
    packets: int  # packets at the first hop
    missing: int | None  # packets of `loses` that did not arrive
    repeats: int  # how often packets were sent again
    known_by: str | None  # what shows it
    siblings: int  # of `service`, `host` and `reverse`: how many other flows show it
    unknown: str | None  # of `unknown`, why nothing more can be said
    answers: list[Answer]  # what came back
    first: int  # time of the first packet
    evidence: list[Evidence] = field(default_factory=list)  # frames of each hop


@fact
class QuotedPacket:
    """The packet that an ICMP error is about, as the error quotes it."""

    proto: str  # protocol
    src: str  # source address
    sport: int | None  # source port; null where the protocol has none or the quotation was cut
    dst: str  # destination address
    dport: int | None  # destination port


@fact
class IcmpErrorMessage:
    """An ICMP error at one point, however often it was seen there."""

    point: str  # where it was seen
    proto: str  # `icmp` or `icmpv6`
    from_: str  # address that sends it
    to: str  # address that it is sent to
    type: int  # ICMP type
    code: int  # ICMP code
    name: str  # what type and code mean
    mtu: int | None  # next-hop MTU; null where the message has none [bytes]
    quoted: QuotedPacket | None  # the packet that it is about; null where that was cut off
    count: int  # messages
    first: int  # time of the first one
    last: int  # time of the last one
    evidence: list[Evidence] = field(default_factory=list)  # the first one


@fact
class Neighbour:
    """Requests of one station for the MAC address of another one, at one point: ARP or Neighbor Discovery."""

    kind: str  # which protocol asked
    point: str  # where it was seen
    vni: int | None  # id of the tunnel that the messages are in
    asker: str  # address that asks; `0.0.0.0` and `::` probe for another owner of the target address
    asker_mac: str | None  # MAC that asks
    target: str  # address that is asked for
    target_macs: list[str]  # MACs that replies give for it
    asked: int  # requests
    answered: int  # replies to the asker that this point shows; a switch shows unicast replies on their own ports only
    first: int  # time of the first request
    last: int  # time of the last request
    evidence: list[Evidence] = field(default_factory=list)  # the first request and the first reply


@fact
class KernelReason:
    """What a kernel itself says of packets: the rule or counter that stopped them, or the rule that rewrote them."""

    kind: str  # what says it
    namespace: str  # network namespace: `A` is host A's own, `A/web` that of its container web
    point: str  # where the packets were last seen
    name: str  # the rule as `iptables -L --line-numbers` counts it, or the name of the counter or drop reason
    text: str  # the rule itself; of a counter, the setting that goes with it; of a drop reason, where
    table: str | None  # table of the rule
    chain: str | None  # its chain
    number: int | None  # its number in the chain, from 1; null for a policy
    action: str  # what it did to the packets
    packets: int  # by how many packets the counter rose, or how many were traced; of `rewrote`, flows
    missing: int  # packets that are missing and that it may have stopped
    match: str  # how both numbers agree
    known_by: str  # what it is read from
    says: str  # all of it, in a sentence
    evidence: list[Evidence] = field(default_factory=list)  # the first frame of each flow
