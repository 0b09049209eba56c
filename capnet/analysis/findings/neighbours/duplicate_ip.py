"""duplicate-ip: several stations claim one address.

Looks at: at one point and in one VNI:
- ARP and Neighbor Discovery messages that claim one address for different MACs (`facts.layer2.rival_stations`);
- probes for an address before it is taken (RFC 4862, RFC 5227) that its owner answers;
- packets from the address of a macvlan container, by the topology, with another MAC at the card that its interface lies
  on.
Says: which MACs claim which address, and whether both advertise themselves by VRRP. An error where they answer the same
questions, or where duplicate address detection keeps an IPv6 address from being used; a warning where their claims
overlap otherwise, and about a probe by ARP. Two cards of one host look the same, as each answers by ARP for all of the
host's addresses, and so does a proxy: without a sign of two hosts it is an info. Such signs are that each MAC answers
packets that were sent to it, that one of them alone answers for another address, and the topology
(`facts.layer2.claims.hosts_of_macs`). Not told:
- virtual routers (VRRP, HSRP), and a proxy that answers for many, or for a station that it sends to itself;
- two cards of one host that answer for each other's addresses, or of which one answers packets that the other one got;
- a host on Wi-Fi that repeats its guests' frames in its own name at once;
- a switch that probes a known MAC;
- forged claims (`arp-spoofing`), an address that moved (`address-moved`), and hosts that share the address of a service
  (`vip-answered-by-many`).
Wrong when: the point shows several VLANs at once.
Fix: give one of the stations another address; keep Docker away from addresses in use with `--ip-range` or
`--aux-address`.
Verify: `arping -D -I IFACE ADDRESS` reports no reply from a second MAC.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice, pairwise

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import INITIAL_TTLS, is_virtual_router
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.layer2.rival_stations import How, rival_stations
from capnet.analysis.facts.models.container_signs import shows_containers
from capnet.analysis.facts.neighbours.refused_probes import refused_probes
from capnet.topology.lookup import endpoints
from capnet.wire.addresses import address_value, mac_text, mac_value
from capnet.wire.numbers import VRRP

NAME = finding_name(__name__)
LEVELS = ("error", "warning", "info")
SCENARIO = "fault duplicate-ip"
WITNESS = "pcaps/ipvlan-l2.pcapng"  # one MAC for several addresses, the other way round
EXPLAINS = ("connection-cut", "connection-refused", "connection-unanswered", "handshake-unfinished")

PAGE_ZH = """多个站点声称拥有同一地址。

检查：在同一抓包点、同一 VNI 中：
- 为同一地址声称不同 MAC 的 ARP 和邻居发现消息（`facts.layer2.rival_stations`）；
- 使用地址前的探测（RFC 4862、RFC 5227）得到了拥有者的应答；
- 按拓扑属于 macvlan 容器的地址，在其接口所在的网卡上却由另一个 MAC 发出包。
结论：哪些 MAC 声称拥有哪个地址，是否都用 VRRP 通告自己。应答同样的询问时，或重复地址检测使 IPv6 地址不能使用时为错
误；声称在时间上以其他方式重叠时，以及 ARP 探测，为警告。同一主机的两块网卡看起来一样，因为每块都用 ARP 为主机的所有
地址应答，代理也是如此：没有两台主机的迹象时只是提示。这样的迹象有：每个 MAC 都应答发给自己的包；其中只有一个为另一
地址应答；拓扑（`facts.layer2.claims.hosts_of_macs`）。不包括：
- 虚拟路由器（VRRP、HSRP），以及为许多地址或为它自己发往的站点应答的代理；
- 同一主机上为彼此的地址应答的两块网卡，或其中一块应答了另一块收到的包；
- 在 Wi-Fi 上立即以自己的名义重复其客户机帧的主机；
- 探测已知 MAC 的交换机；
- 伪造的声称（`arp-spoofing`）、转移的地址（`address-moved`），以及共享服务地址的主机（`vip-answered-by-many`）。
误判：该抓包点同时显示多个 VLAN。
处理：给其中一个站点换地址；用 `--ip-range` 或 `--aux-address` 让 Docker 避开已使用的地址。
验证：`arping -D -I IFACE ADDRESS` 没有来自第二个 MAC 的应答。
"""

AT_ONCE = Text(en="{address} is claimed by {macs}", zh="{macs} 都声称拥有 {address}")
AT_ONCE_FIX = Text(
    en="give one of them another address: reserve those outside of Docker with --ip-range or --aux-address",
    zh="给其中一个换地址：用 --ip-range 或 --aux-address 保留 Docker 之外的地址",
)
AT_ONCE_ELSEWHERE_FIX = Text(en="give one of them another address", zh="给其中一个换地址")
UNCERTAIN = Text(
    en="{address} is claimed by {macs}: two stations have it, or one answers for others as well, as a proxy does, or "
    "each of two network cards of one host",
    zh="{macs} 都声称拥有 {address}：两个站点都有该地址，或其中一个也为别人应答，如代理，或同一主机的两块网卡",
)
UNCERTAIN_FIX = Text(
    en="look whose these MACs are (`ip link` on the hosts): of two stations, give one another address; of one host, "
    "let each card answer for its own (`sysctl net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2`)",
    zh="在各主机上用 `ip link` 查看这些 MAC 属于谁：属于两个站点时，给其中一个换地址；属于同一主机时，让每块网卡只应答"
    "自己的地址（`sysctl net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2`）",
)
MASTERS = Text(
    en="{address} is claimed by {macs}, and both advertise themselves by VRRP: two masters at once",
    zh="{macs} 都声称拥有 {address}，并且都用 VRRP 通告自己：同时有两个 master",
)
MASTERS_FIX = Text(
    en="let VRRP pass between them (IP protocol 112 to 224.0.0.18 or ff02::12, or `unicast_peer` where multicast does "
    "not pass), with the same virtual router id and password: `tcpdump -ni IFACE proto 112` on each shows both",
    zh="让 VRRP 在两者之间通过（发往 224.0.0.18 或 ff02::12 的 IP 协议 112；组播不通时用 `unicast_peer`），virtual "
    "router id 和密码要一致：在两边 `tcpdump -ni IFACE proto 112` 都应看到双方",
)
REFUSED = Text(
    en="{address} belongs to {owner}: {prober} looked for another owner before it took the address, got an answer, "
    "and does not use it",
    zh="{address} 属于 {owner}：{prober} 在使用该地址前查找别的拥有者，得到了应答，因此不使用它",
)
OF_CONTAINER = Text(
    en="{address} is the address of container {container} ({mac}), and {rival} sends from it too, seen at {point}",
    zh="{address} 是容器 {container}（{mac}）的地址，而 {rival} 也用它发送，见于 {point}",
)
MAX_CONTAINERS = 256  # whose addresses are looked for
MIN_PACKETS = 2  # of the other station: a single one may be forged


def is_weak(finding: Finding) -> bool:
    """Cards of one host answer each other's packets: nothing fails by that."""
    return finding.level == "info"


def diagnose(context: Context) -> list[Finding]:
    return [*_rival_claims(context), *_refused(context), *_of_containers(context)]


def _of_containers(context: Context) -> Iterator[Finding]:
    """Of macvlan containers, whose address other stations on their link send from."""
    claimed = {rivals.address for rivals in rival_stations(context)}
    numbers = {point.name: number for number, point in enumerate(context.points)}
    of_topology = endpoints(context.topology) if context.topology else ()
    for container, endpoint in islice((each for each in of_topology if each[1].kind == "macvlan"), MAX_CONTAINERS):
        card = numbers.get(f"{container.host}/{endpoint.parent}")
        if endpoint.mac is None or card is None:
            continue
        for address in endpoint.ips:
            rows = _sent_by_others(context, card, address, mac_value(endpoint.mac)) if address not in claimed else []
            macs = {int(context.flows[row, schema.FLOW_SMAC]) for row in rows}
            if len(macs) == 1:
                rival, point = mac_text(macs.pop()), context.points[card].name
                says = OF_CONTAINER.fill(
                    address=address, container=container.name, mac=endpoint.mac, rival=rival, point=point
                )
                facts: dict[str, object] = {"address": address, "macs": [endpoint.mac, rival]}
                frames = context.first_frames(rows)[:MAX_EVIDENCE]
                yield Finding(NAME, "error", says, AT_ONCE_FIX.fill(), facts, frames)


def _sent_by_others(context: Context, card: int, address: str, mac: int) -> list[int]:
    """Flows from an address at a card with another MAC, not by a router; none that ended before the owner began."""
    flows, (high, low) = context.flows, address_value(address)
    is_from = (
        (flows[:, schema.FLOW_POINT] == card) & (flows[:, schema.FLOW_VIA] == 0) & (flows[:, schema.FLOW_SMAC] > 0)
    )
    is_from &= (flows[:, schema.FLOW_SRC_HI] == high) & (flows[:, schema.FLOW_SRC_LO] == low)
    own = flows[is_from & (flows[:, schema.FLOW_SMAC] == mac), schema.FLOW_FIRST]
    rows = np.flatnonzero(
        is_from & (flows[:, schema.FLOW_SMAC] != mac) & is_one_of(flows[:, schema.FLOW_TTL], INITIAL_TTLS)
    )
    rows = rows[flows[rows, schema.FLOW_LAST] >= (own.min() if len(own) else 0)]
    is_service = any(is_virtual_router(int(each)) for each in distinct(flows[rows, schema.FLOW_SMAC]).tolist())
    return [] if is_service or flows[rows, schema.FLOW_PACKETS].sum() < MIN_PACKETS else rows.tolist()


def _refused(context: Context) -> list[Finding]:
    """Of stations that wanted an address which another one has."""
    fix = AT_ONCE_FIX if shows_containers(context) else AT_ONCE_ELSEWHERE_FIX
    claimed = {rivals.address for rivals in rival_stations(context)}
    return [
        Finding(
            NAME,
            "error" if ":" in of.address else "warning",
            REFUSED.fill(address=of.address, owner=mac_text(of.owner), prober=mac_text(of.prober)),
            fix.fill(),
            {"address": of.address, "macs": [mac_text(of.owner), mac_text(of.prober)]},
            of.evidence[:MAX_EVIDENCE],
        )
        for of in refused_probes(context)
        if of.address not in claimed
    ]


def _rival_claims(context: Context) -> list[Finding]:
    at_once_fix = AT_ONCE_FIX if shows_containers(context) else AT_ONCE_ELSEWHERE_FIX
    findings = []
    for rivals in rival_stations(context):
        if not rivals.is_duplicate:
            continue
        macs = [mac_text(mac) for mac in rivals.macs]
        are_masters = _are_masters(context, rivals.macs)
        text, fix = (MASTERS, MASTERS_FIX) if are_masters else (AT_ONCE, at_once_fix)
        is_certain = are_masters or rivals.are_several
        if not is_certain:
            text, fix = UNCERTAIN, UNCERTAIN_FIX
        findings.append(
            Finding(
                NAME,
                ("error" if rivals.how == How.AT_ONCE else "warning") if is_certain else "info",
                text.fill(address=rivals.address, macs=several(macs)),
                fix.fill(),
                {"address": rivals.address, "macs": macs},
                sorted(rivals.evidence)[:MAX_EVIDENCE],
            )
        )
    return findings


def _are_masters(context: Context, macs: Iterable[int]) -> bool:
    """Do two of these stations advertise themselves by VRRP in the same time (RFC 9568 section 6.1)?"""
    flows = context.flows
    spans = []
    for mac in macs:
        of_mac = flows[(flows[:, schema.FLOW_PROTO] == VRRP) & (flows[:, schema.FLOW_SMAC] == mac)]
        if len(of_mac):
            spans.append((int(of_mac[:, schema.FLOW_FIRST].min()), int(of_mac[:, schema.FLOW_LAST].max())))
    spans.sort()
    return any(later[0] < earlier[1] for earlier, later in pairwise(spans))
