"""loopback-not-masqueraded: a host sends connections to 127.0.0.1 on to a container, with 127.0.0.1 as their source.

Looks at: ARP requests of an address in 127.0.0.0/8, and packets from one, at the bridge, the veth or the interface of a
container, without an answer (RFC 1122 section 3.2.1.3: such addresses never appear outside of a host). Not on a host's
own network, where such a source is forged.
Says: at which interface, for which container, how often.
Wrong when: a test program writes such packets itself.
Fix: masquerade what leaves with that source, let docker-proxy take these connections, or ask the host's own address.
Verify: `iptables -t nat -vnL POSTROUTING`; `sysctl net.ipv4.conf.all.route_localnet`; daemon.json has userland-proxy.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Finding
from capnet.analysis.core.schema import FlowRows
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.icmp_errors import icmp_errors
from capnet.analysis.facts.neighbours.exchanges import neighbours
from capnet.analysis.fate.next_points import is_answered
from capnet.wire.addresses import MAPPED, address_value

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = "fault loopback-not-masqueraded"
WITNESS = "pcaps/bridge.pcapng"  # the host reaches published ports by their address
EXPLAINS = ("arp-unanswered", "connection-unanswered", "host-unreachable", "retransmissions")

PAGE_ZH = """主机把到 127.0.0.1 的连接转发给容器，而源地址仍是 127.0.0.1。

检查：在容器的网桥、veth 或接口上，127.0.0.0/8 中某个地址的 ARP 询问，以及来自这种地址的包，没有应答（RFC 1122 3.2.1.3
节：这种地址不出现在主机之外）。不包括主机自己的网络，那里的这种源地址是伪造的。
结论：在哪个接口，对哪个容器，多少次。
误判：测试程序自己写出这种包。
处理：对以该源地址发出的连接做 MASQUERADE，让 docker-proxy 接管这些连接，或访问主机自己的地址。
验证：`iptables -t nat -vnL POSTROUTING`；`sysctl net.ipv4.conf.all.route_localnet`；daemon.json 中的 userland-proxy。
"""

SAYS = Text(
    en="{loopback} asks for {targets} by ARP at {point}, {attempts:time}, and gets no answer: the host sends "
    "connections to its own loopback address on to a container, and leaves their source as it is",
    zh="{loopback} 在 {point} 用 ARP 询问 {targets} {attempts} 次而无应答：主机把到自己环回地址的连接转发给容器，而"
    "源地址保持不变",
)
FIX = Text(
    en="masquerade them (`iptables -t nat -A POSTROUTING -s 127.0.0.0/8 -d {target} -j MASQUERADE`), turn docker-proxy "
    'on again ("userland-proxy": true in daemon.json), or ask the host\'s own address instead of {loopback}',
    zh="对它们做 MASQUERADE（`iptables -t nat -A POSTROUTING -s 127.0.0.0/8 -d {target} -j MASQUERADE`），重新启用 "
    'docker-proxy（daemon.json 中 "userland-proxy": true），或访问主机自己的地址，而不是 {loopback}',
)

_LOOPBACK = "127."
_INSIDE = ("bridge", "veth", "container")
_LOOPBACK_NET = (MAPPED >> 24) | 127  # 127.0.0.0/8, of the lower half of a mapped address
MIN_ATTEMPTS = 2


def diagnose(context: Context) -> list[Finding]:
    asked: dict[tuple[int, str], list[tuple[str, int, Evidence]]] = {}
    for of in neighbours(context):
        is_inside = context.points[of.point].role in _INSIDE
        if is_inside and of.asker.startswith(_LOOPBACK) and of.requests and not of.replies and not of.via:
            frame = context.evidence(of.point, of.request_frame)
            asked.setdefault((of.point, of.asker), []).append((of.target, of.requests, frame))
    for row in _loopback_rows(context).tolist():
        flow = context.flows[row]
        frame = context.first_frame(row)
        key = int(flow[schema.FLOW_POINT]), "127.0.0.1"
        asked.setdefault(key, []).append((destination(flow), int(flow[schema.FLOW_PACKETS]), frame))
    worst: dict[str, tuple[int, list[tuple[str, int, Evidence]]]] = {}
    is_container = [point.role == "container" for point in context.points]  # the host's side first
    for (point, loopback), attempts in sorted(asked.items(), key=lambda of: (is_container[of[0][0]], of[0])):
        total = sum(number for _, number, _ in attempts)
        if total >= MIN_ATTEMPTS and total > sum(number for _, number, _ in worst.get(loopback, (0, []))[1]):
            worst[loopback] = point, attempts
    return [_finding(context, loopback, *of) for loopback, of in sorted(worst.items())]


def _loopback_rows(context: Context) -> FlowRows:
    """Flows from 127.0.0.0/8 to other addresses, at points of containers, without an answer."""
    flows = context.flows
    is_inside = np.array([point.role in _INSIDE for point in context.points], dtype=bool)
    source, target = flows[:, schema.FLOW_SRC_LO], flows[:, schema.FLOW_DST_LO]
    mask = (flows[:, schema.FLOW_SRC_HI] == 0) & (source >> 24 == _LOOPBACK_NET) & (target >> 24 != _LOOPBACK_NET)
    mask &= (flows[:, schema.FLOW_VIA] == 0) & (flows[:, schema.FLOW_SMAC] > 0) & ~is_answered(context)
    return np.flatnonzero(mask & is_inside[flows[:, schema.FLOW_POINT]])


def _finding(context: Context, loopback: str, point: int, attempts: list[tuple[str, int, Evidence]]) -> Finding:
    targets = sorted({target for target, _, _ in attempts}, key=address_value)
    total = sum(number for _, number, _ in attempts)
    messages = [
        frame
        for error in icmp_errors(context)
        if error.sender.startswith(_LOOPBACK) and error.receiver.startswith(_LOOPBACK)
        for frame in error.evidence
    ]
    name = context.points[point].name
    return Finding(
        NAME,
        "error",
        SAYS.fill(loopback=loopback, targets=several(targets), point=name, attempts=total),
        FIX.fill(loopback=loopback, target=targets[0]),
        {"source": loopback, "targets": targets[:MAX_EVIDENCE], "point": name, "attempts": total},
        sorted({*(frame for _, _, frame in attempts), *messages}),
    )
