"""xdp-before-capture: an XDP program takes what a container sends, before a capture at its host end sees it.

Looks at: IP packets that a container sends at its own interface, and how many of them the host end of its veth shows,
where the topology has an XDP program. XDP runs before packets are given to captures (packet(7)).
Says: how many are missing there, and the program.
Wrong when: the capture lost them there itself.
Fix: look at the program, or take it off to compare.
Verify: `ip -d link show IFACE`, `bpftool prog show id ID`; `ethtool -S IFACE` counts `xdp_drops`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import FlowRows
from capnet.analysis.core.wording import Text, finding_name
from capnet.topology import Topology
from capnet.wire.addresses import mac_value

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = None  # the lab's interfaces have no XDP program
WITNESS = "pcaps/bridge.pcapng"  # host ends without one
EXPLAINS = ("stops-between", "packet-loss", "handshake-unfinished", "retransmissions", "host-unreachable")

PAGE_ZH = """XDP 程序在主机端 veth 的抓包看到之前取走了容器发出的包。

检查：容器在自己的接口上发出的 IP 包，其 veth 的主机端看到多少；拓扑说明主机端有 XDP 程序。
XDP 先于抓包运行（packet(7)）。
结论：那里缺少多少个包，程序是哪个。
误判：抓包自己在那里丢失了它们。
处理：检查该程序，或取下它作比较。
验证：`ip -d link show IFACE`、`bpftool prog show id ID`；`ethtool -S IFACE` 中有 `xdp_drops` 计数。
"""

SAYS = Text(
    en="{point} shows {seen} of {packets:packet} that {container} sent: the XDP program {program} is there, and takes "
    "them before a capture sees them",
    zh="{container} 发出了 {packets} 个包，{point} 只看到 {seen} 个：那里的 XDP 程序 {program} "
    "在抓包看到之前取走了它们",
)
FIX = Text(
    en="look at the program (`bpftool prog show`), or take it off to compare: `ip link set dev {interface} xdp off`",
    zh="检查该程序（`bpftool prog show`），或取下它作比较：`ip link set dev {interface} xdp off`",
)

MIN_MISSING = 2  # packets: one may be on its way when the capture ends


def diagnose(context: Context) -> list[Finding]:
    if context.topology is None:
        return []
    numbers = {point.name: number for number, point in enumerate(context.points)}
    findings = []
    for container, inner, outer, mac, program in _guarded(context.topology):
        if inner in numbers and outer in numbers:
            sent, seen = (_from(context, numbers[name], mac) for name in (inner, outer))
            packets, left = (int(context.flows[rows, schema.FLOW_PACKETS].sum()) for rows in (sent, seen))
            if packets - left >= MIN_MISSING:
                findings.append(_finding(context, container, outer, program, sent, (packets, left)))
    return findings


def _guarded(topology: Topology) -> Iterator[tuple[str, str, str, int, str]]:
    """(container, point inside, point of the host end, MAC, program) where a host end has an XDP program."""
    programs = {(host.name, each.name): each.xdp for host in topology.hosts for each in host.interfaces if each.xdp}
    for container in topology.containers if programs else ():
        for end in container.endpoints:
            program = programs.get((container.host, end.veth or ""))
            if program:
                inner, outer = f"{container.host}/{container.name}/{end.interface}", f"{container.host}/{end.veth}"
                with suppress(ValueError):  # no MAC
                    yield container.name, inner, outer, mac_value(end.mac or ""), program


def _from(context: Context, point: int, mac: int) -> FlowRows:
    flows = context.flows
    return np.flatnonzero((flows[:, schema.FLOW_POINT] == point) & (flows[:, schema.FLOW_SMAC] == mac))


def _finding(
    context: Context, container: str, point: str, program: str, sent: FlowRows, counts: tuple[int, int]
) -> Finding:
    packets, seen = counts
    frames = context.first_frames(sent)
    return Finding(
        NAME,
        "error" if seen == 0 else "warning",
        SAYS.fill(point=point, seen=seen, packets=packets, container=container, program=program),
        FIX.fill(interface=point.rpartition("/")[2]),
        {"point": point, "program": program, "container": container, "packets": packets, "seen": seen},
        sorted(frames)[:MAX_EVIDENCE],
    )
