"""stale-conntrack: a host still translates one sender's datagrams to an address that is gone.

Looks at: UDP flows to a translated service that go on in vain, while another sender's datagrams to the same service
are translated to another address. The old address does not answer ARP any more, is unreachable by ICMP, or sends
nothing while the other one answers; or the host refuses the one sender's datagrams itself. Or a program of the host, as
docker-proxy, takes them and sends each on from an address of the host within milliseconds.
Says: whose datagrams are translated to which address, how many were in vain, and where the others go.
Wrong when: a load balancer sends them to a backend that is down.
Fix: delete the connection tracking entry. NAT rules see the first packet of a connection only, and a sender that goes
on never lets its entry expire; Docker 23 and later deletes such entries when a container starts.
Verify: `conntrack -L -p udp --orig-port-dst PORT` lists the entry with the old address as the source of replies.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import destination, replies, source
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Finding
from capnet.analysis.core.schema import ArpTable, Values
from capnet.analysis.core.wording import Text, endpoint_text, finding_name
from capnet.analysis.correlate.clocks import clocks
from capnet.analysis.facts.icmp_errors import IcmpError, icmp_errors
from capnet.analysis.facts.nat.untranslated_datagrams import MIN_IN_VAIN, MIN_QUIET_NS, VainFlow, vain_flows
from capnet.analysis.facts.transport.flow_observations import observations_of
from capnet.analysis.fate.verdict.relayed_datagrams import relays
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_text
from capnet.wire.numbers import ARP_REPLY, ARP_REQUEST, UDP

NAME = finding_name(__name__)
LEVELS = ("error", "warning")  # warning: a program of the host relays them, so they arrive
SCENARIO = "fault stale-conntrack"
WITNESS = "pcaps/bridge.pcapng"  # datagrams to a container that lives
EXPLAINS = (
    "packet-loss", "stops-between", "arp-unanswered", "published-port-blocked", "dnat-to-dead-backend",
    "host-unreachable", "connection-unanswered", "handshake-unfinished",
)  # fmt: skip

PAGE_ZH = """主机仍把一个发送者的数据报转换到已经不存在的地址。

检查：到被转换的服务、没有应答的 UDP 流，而另一个发送者到同一服务的数据报被转换到另一个地址。旧地址不再应答 ARP、经
ICMP 告知不可达，或在另一个应答时什么也不发送；或主机自己拒绝了这个发送者的数据报。
或主机上的程序（如 docker-proxy）接收它们，并在几毫秒内从主机的地址逐个转发。
结论：谁的数据报被转换到哪个地址，多少个没有应答，其他的去了哪里。
误判：负载均衡把它们发给停机的后端。
处理：删除连接跟踪的表项。NAT 规则只看连接的第一个包，而持续发送使表项不会过期；Docker 23 及以后版本在容器启动时删除
这样的表项。
验证：`conntrack -L -p udp --orig-port-dst PORT` 列出以旧地址为应答来源的表项。
"""

SAYS = Text(
    en="{sender} → {server} (udp) is still translated to {old}, {gone}: {packets:datagram} in vain; {other} is "
    "translated to {new}",
    zh="{sender} → {server}（udp）仍被转换到 {old}，{gone}：{packets} 个数据报没有应答；{other} 被转换到 {new}",
)
SAYS_HOST = Text(
    en="{sender} → {server} (udp) is not translated: the host refuses it itself, {packets:datagram} in vain; "
    "{other} is translated to {new}",
    zh="{sender} → {server}（udp）没有被转换：主机自己拒绝了它，{packets} 个数据报没有应答；{other} 被转换到 {new}",
)
SAYS_RELAYED = Text(
    en="{sender} → {server} (udp) is not translated: a program of the host, as docker-proxy, takes {packets:datagram} "
    "and sends them on, so that {new} sees {relay} as their sender; {other} is translated to {new}",
    zh="{sender} → {server}（udp）没有被转换：主机上的程序（如 docker-proxy）接收了 {packets} 个数据报并转发，因此 "
    "{new} 看到的发送者是 {relay}；{other} 被转换到 {new}",
)
NO_REPLY = Text(en="which does not answer ARP any more", zh="它不再应答 ARP")
SILENT = Text(en="which sends nothing any more", zh="它不再发送任何包")
UNREACHABLE = Text(en="which {sender} says is unreachable", zh="{sender} 告知它不可达")
FIX = Text(
    en="delete the entry on the host: `conntrack -D -p udp --orig-port-dst {port}` (Docker 23 and later does so when a "
    "container starts); it would stay as long as {sender} goes on sending from this port",
    zh="在主机上删除该表项：`conntrack -D -p udp --orig-port-dst {port}`（Docker 23 及以后版本在容器启动时会这样做）"
    "；只要 {sender} 继续从这个端口发送，它就不会消失",
)

MIN_SILENT = 3  # datagrams to an address that sends nothing
MAX_RELAY_NS = 20_000_000  # from a datagram to the one that the program sends on: it wakes up at once
MIN_RELAYED = 3  # datagrams that are followed by one of the host
MAX_ARP_DELAY_NS = 5_000_000  # a kernel asks for the next hop at once; scheduling may add milliseconds


class _Unanswered(NamedTuple):
    """An address that a host asks for by ARP in vain, and the first frames with which it asks."""

    address: str
    evidence: list[Evidence]


def diagnose(context: Context) -> list[Finding]:
    findings = []
    for suspect in vain_flows(context):
        finding = None
        if suspect.packets >= MIN_IN_VAIN:
            finding = _of_dead_address(context, suspect) or _of_host(context, suspect)
        finding = finding or _of_silent_address(context, suspect) or _of_relay(context, suspect)
        if finding:
            findings.append(finding)
    return findings


def _of_dead_address(context: Context, suspect: VainFlow) -> Finding | None:
    """The finding if the address that the flow is translated to is gone."""
    flows = context.flows
    errors = [error for error in _errors_about(context, suspect.row) if not error.is_refused_datagram]
    asked = _unanswered_address(context, suspect, bool(errors))
    if asked is None and not (errors and suspect.inside >= 0):
        return None
    old = asked.address if asked else destination(flows[suspect.inside])
    gone = NO_REPLY.fill() if asked else UNREACHABLE.fill(sender=errors[0].sender)
    return _finding(context, suspect, SAYS, old, gone, [*(asked.evidence if asked else []), *_frames(errors)])


def _of_silent_address(context: Context, suspect: VainFlow) -> Finding | None:
    """The finding if the old address was heard until a time, and the other one answers since."""
    flows, arps = context.flows, context.arps
    if suspect.inside < 0 or context.sample_share < 1.0:
        return None
    inside, answer = flows[suspect.inside], int(replies(context)[suspect.other_inside])
    point, old = int(inside[schema.FLOW_POINT]), inside[schema.FLOW_DST]
    spoke = flows[:, schema.FLOW_POINT] == point
    spoke &= (flows[:, schema.FLOW_SRC] == old).all(axis=1)
    claims = (arps[:, schema.ARP_POINT] == point) & (arps[:, schema.ARP_SENDER_LO] == old[1])
    heard = [*flows[spoke, schema.FLOW_LAST].tolist(), *arps[claims, schema.ARP_LAST].tolist()]
    if not heard or answer < 0 or flows[answer, schema.FLOW_LAST] <= max(heard):
        return None
    seen = context.observations
    in_vain = seen[(seen[:, schema.OBS_FLOW] == suspect.inside) & (seen[:, schema.OBS_TIME] > max(heard))]
    packets = len(distinct(in_vain[:, schema.OBS_DIGEST]))
    if packets < MIN_SILENT or inside[schema.FLOW_LAST] - max(heard) < MIN_QUIET_NS:
        return None
    frames = [context.evidence(point, frame) for frame in in_vain[:MAX_EVIDENCE, schema.OBS_FRAME].tolist()]
    return _finding(
        context, suspect._replace(packets=packets), SAYS, destination(inside), SILENT.fill(), frames[:MIN_SILENT]
    )


def _of_host(context: Context, suspect: VainFlow) -> Finding | None:
    """The finding if the host takes the flow for its own and refuses it."""
    errors = [error for error in _errors_about(context, suspect.row) if error.is_refused_datagram]
    refused = sum(error.packets for error in errors)
    others = [error for error in _errors_about(context, suspect.other) if error.is_refused_datagram]
    if suspect.inside >= 0 or refused < MIN_IN_VAIN or others:
        return None
    return _finding(context, suspect, SAYS_HOST, "", "", _frames(errors))


def _of_relay(context: Context, suspect: VainFlow) -> Finding | None:
    """The finding if the host sends a datagram of its own after nearly each one of the flow."""
    if suspect.inside >= 0 or context.sample_share < 1.0:
        return None
    came = _times(context, suspect.row)
    for relay in relays(context, suspect.other_inside).tolist():
        sent = _times(context, relay)
        after = np.searchsorted(came, sent, side="right") - 1
        delays = sent[after >= 0] - came[after[after >= 0]]
        followed = len(distinct(after[after >= 0][delays <= MAX_RELAY_NS]))
        if followed >= MIN_RELAYED and 2 * followed > len(came) and len(sent) <= len(came):
            frame = context.first_frame(relay)
            relayed = suspect._replace(packets=followed)
            return _finding(context, relayed, SAYS_RELAYED, "", "", [frame], relay=source(context.flows[relay]))
    return None


def _times(context: Context, row: int) -> Values:
    """When the packets of a flow passed, in order, ns by the reference clock."""
    return np.sort(clocks(context).observation_times(context, observations_of(context, row)))


def _errors_about(context: Context, row: int) -> list[IcmpError]:
    """ICMP errors that quote a datagram of this flow."""
    flow = context.flows[row]
    ends = source(flow), int(flow[schema.FLOW_SPORT]), destination(flow), int(flow[schema.FLOW_DPORT])
    return _errors_by_ends(context).get(ends, [])


@derived
def _errors_by_ends(context: Context) -> dict[tuple[str, int, str, int], list[IcmpError]]:
    """Source, its port, destination and its port of UDP datagrams → the ICMP errors that quote them."""
    errors: dict[tuple[str, int, str, int], list[IcmpError]] = {}
    for error in icmp_errors(context):
        if error.quoted.proto == UDP:
            errors.setdefault(error.quoted[1:], []).append(error)
    return errors


def _frames(errors: list[IcmpError]) -> list[Evidence]:
    return [frame for error in errors for frame in error.evidence]


def _unanswered_address(context: Context, suspect: VainFlow, is_unreachable: bool) -> _Unanswered | None:
    """The address that the host asks for in vain in order to deliver the suspect's datagrams.

    The flow's own translation names it. Without one, it is asked for at the point where others are translated, by
    their sender, when a datagram of the flow came; or, if ICMP says "unreachable", at any time.
    """
    flows, arps = context.flows, context.arps
    at = suspect.inside if suspect.inside >= 0 else suspect.other_inside
    point, mac = int(flows[at, schema.FLOW_POINT]), int(flows[at, schema.FLOW_SMAC])
    requests = (arps[:, schema.ARP_POINT] == point) & (arps[:, schema.ARP_OPERATION] == ARP_REQUEST)
    requests &= (arps[:, schema.ARP_SENDER_MAC] == mac) & (mac > 0)
    for request in arps[requests].tolist():
        target, last = request[schema.ARP_TARGET_LO], request[schema.ARP_LAST]
        if suspect.inside >= 0:
            is_asked = target == flows[at, schema.FLOW_DST_LO] and last > flows[at, schema.FLOW_LAST]
        else:
            is_asked = target != flows[at, schema.FLOW_DST_LO]
            is_asked = is_asked and (is_unreachable or _follows_datagram(context, suspect.row, point, request))
        if is_asked and not _has_replied(arps, point, target, last):
            everywhere = (arps[:, [schema.ARP_SENDER_MAC, schema.ARP_TARGET_LO]] == (mac, target)).all(axis=1)
            rows = arps[everywhere & (arps[:, schema.ARP_OPERATION] == ARP_REQUEST)].tolist()
            frames = [context.evidence(row[schema.ARP_POINT], row[schema.ARP_FIRST_FRAME]) for row in rows]
            return _Unanswered(address_text(0, target), frames)
    return None


def _has_replied(arps: ArpTable, point: int, address: int, since: int) -> bool:
    """Did an address answer ARP at a point at this time or later?"""
    replies = (arps[:, schema.ARP_POINT] == point) & (arps[:, schema.ARP_OPERATION] == ARP_REPLY)
    return bool((replies & (arps[:, schema.ARP_SENDER_LO] == address) & (arps[:, schema.ARP_LAST] >= since)).any())


def _follows_datagram(context: Context, row: int, point: int, request: list[int]) -> bool:
    """Was the first or the last of these requests sent as soon as a datagram of the flow came?"""
    times = _times(context, row)
    asked = np.array([request[schema.ARP_FIRST], request[schema.ARP_LAST]])
    asked = clocks(context).correct_times(asked, np.full(2, clocks(context).of_point[point]))
    delays = asked[:, None] - times[None, :]
    return bool(((delays >= 0) & (delays <= MAX_ARP_DELAY_NS)).any())


def _finding(
    context: Context, suspect: VainFlow, text: Text, old: str, gone: str, evidence: list[Evidence], relay: str = ""
) -> Finding:
    flows = context.flows
    row, other = flows[suspect.row], flows[suspect.other]
    sender, server, other_sender = (
        endpoint_text(source(row), row[schema.FLOW_SPORT]), endpoint_text(destination(row), row[schema.FLOW_DPORT]),
        endpoint_text(source(other), other[schema.FLOW_SPORT]),
    )  # fmt: skip
    new = destination(flows[suspect.other_inside])
    hops = [suspect.row, suspect.other_inside]
    frames = set(context.first_frames(hops))
    return Finding(
        NAME,
        "warning" if relay else "error",
        text.fill(
            sender=sender, server=server, old=old, gone=gone, packets=suspect.packets, other=other_sender, new=new,
            relay=relay,
        ),
        FIX.fill(port=int(row[schema.FLOW_DPORT]), sender=source(row)),
        {
            "sender": sender, "server": server, "translated_to": old or None, "packets": suspect.packets,
            "other_sender": other_sender, "others_translated_to": new, **({"relayed_from": relay} if relay else {}),
        },
        sorted({*frames, *evidence}),
    )  # fmt: skip
