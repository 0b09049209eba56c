"""stale-mac-table: a switch goes on sending frames to the port where their station was before.

Looks at: a MAC whose frames began at points of one host, and from then on at points of another one
(`fate.verdict.moved_stations`), as when a virtual machine migrates and is announced by RARP, or a container is made
anew elsewhere with its MAC. Packets to that MAC which are seen at the first host after that, at no point of the second
one, and which nothing answers.
Says: which MAC, since when it is at which host and how it announced itself, where the packets to it still go, how many
of whom.
Wrong when: the second host's station is another one with the same MAC, and the first one is silent by chance.
Fix: delete the switch's entry for the MAC (a static, sticky or port-security entry does not move by itself), or let the
new host announce the station: `arping -U`, or `announce_self` of QEMU.
Verify: `bridge fdb show` on a Linux bridge, `show mac address-table address MAC` on a switch.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct, is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import are_multicast_macs, destination, host_of, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import FlowRows
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.correlate.clocks import flow_spans
from capnet.analysis.correlate.duplicates import packets_without_duplicates
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.losses.stopped_flows import hop_evidence
from capnet.analysis.fate.next_points import is_answered
from capnet.analysis.fate.refutation import NOTHING, refutations
from capnet.analysis.fate.verdict.moved_stations import MovedStation, moved_stations
from capnet.wire.addresses import address_value, mac_text

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = "fault stale-mac-table"
WITNESS = "pcaps/faults/stale-mac-table.healthy.pcapng"  # the machine migrates, and the switch learns its new port
EXPLAINS = (
    "connection-cut", "connection-unanswered", "handshake-unfinished", "packet-loss", "retransmissions",
    "stops-between",
)  # fmt: skip

PAGE_ZH = """交换机继续把帧发往站点以前所在的端口。

检查：一个 MAC 的帧先从一台主机的抓包点开始，之后只从另一台主机的抓包点开始（`fate.verdict.moved_stations`），例如虚拟机
迁移并由 RARP 通告，或容器在别处以同一 MAC 重新创建。此后发往该 MAC 的包在第一台主机上出现，在第二台主机的抓包点都没有，
也没有应答。
结论：哪个 MAC，从何时起在哪台主机上、如何通告自己，发往它的包仍到哪里，谁的多少个包。
误判：第二台主机的站点是另一个有同样 MAC 的站点，而第一个恰好没有说话。
处理：删除交换机上该 MAC 的表项（静态、sticky 或端口安全的表项不会自己移动），或让新主机通告该站点：`arping -U`，或
QEMU 的 `announce_self`。
验证：在 Linux 网桥上 `bridge fdb show`，在交换机上 `show mac address-table address MAC`。
"""

SAYS = Text(
    en="{packets:packet} of {sources} to {address} still go to {old}, and nothing answers: {seconds} s before the "
    "first of them its MAC {mac} had moved to {new}{announced}",
    zh="{sources} 发往 {address} 的 {packets} 个包仍到 {old}，没有应答：第一个包之前 {seconds} 秒，其 MAC {mac} 已移到 "
    "{new}{announced}",
)
ANNOUNCED = Text(
    en=", announced by RARP, as a virtual machine is after its migration", zh="，由 RARP 通告，如同虚拟机迁移之后"
)
FIX = Text(
    en="a switch on the way keeps {mac} at the port of {old}: look there (`bridge fdb show`, or `show mac "
    "address-table`), delete a static, sticky or port-security entry, or announce the station again (`arping -U -I "
    "IFACE {address}`; QEMU: `announce_self`)",
    zh="途中的交换机仍把 {mac} 记在通往 {old} 的端口：在那里查看（`bridge fdb show` 或 `show mac address-table`），删除"
    "静态、sticky 或端口安全的表项，或重新通告该站点（`arping -U -I IFACE {address}`；QEMU：`announce_self`）",
)

MIN_PACKETS = 2  # a single one may be on its way while the switch learns
MIN_SPAN_NS = 900_000_000  # from the first to the last: SYNs are sent again after 1 s (RFC 6298)


def diagnose(context: Context) -> list[Finding]:
    flows = context.flows
    if len(context.points) < 2:
        return []
    in_vain = (flow_links(context).after < 0) & (flows[:, schema.FLOW_VIA] == 0) & ~is_answered(context)
    macs = distinct(flows[in_vain & (flows[:, schema.FLOW_DMAC] > 0), schema.FLOW_DMAC])
    macs = macs[~are_multicast_macs(macs)]
    findings = (_finding(context, station) for station in (moved_stations(context, macs) if len(macs) else ()))
    return [finding for finding in findings if finding]


def _lost(context: Context, station: MovedStation) -> FlowRows:
    """Last hops of unanswered flows to the station that begin after its move, at the host that it left."""
    flows, (first, _) = context.flows, flow_spans(context)
    hosts = [host_of(point.name) for point in context.points]
    left = [number for number, host in enumerate(hosts) if host == hosts[station.before]]
    is_lost = (flows[:, schema.FLOW_DMAC] == station.mac) & (flows[:, schema.FLOW_VIA] == 0)
    is_lost &= is_one_of(flows[:, schema.FLOW_POINT], left) & (first > station.since)
    rows = np.flatnonzero(is_lost & (flow_links(context).after < 0) & ~is_answered(context))
    # No point of the new host may show them: a switch that does not know the MAC sends them to both.
    for number, host in enumerate(hosts):
        if host == hosts[station.after] and len(rows):
            due = np.full(len(rows), number)
            rows = rows[refutations(context, rows, due, np.ones(len(rows), dtype=bool)) == NOTHING]
    return rows


def _finding(context: Context, station: MovedStation) -> Finding | None:
    flows, (first, last) = context.flows, flow_spans(context)
    rows = _lost(context, station)
    packets = int(packets_without_duplicates(context)[rows].sum())
    if packets < MIN_PACKETS or last[rows].max() - first[rows].min() < MIN_SPAN_NS:
        return None
    old, new = (context.points[point].name for point in (int(flows[rows[0], schema.FLOW_POINT]), station.after))
    sources = sorted({source(flows[row]) for row in rows.tolist()}, key=address_value)
    address, mac = destination(flows[rows[0]]), mac_text(station.mac)
    seconds = round((int(first[rows].min()) - station.since) / 1e9, 1)
    moves = [context.evidence(*frame) for frame in station.frames]
    hops = hop_evidence(context, rows.tolist())
    return Finding(
        NAME,
        "error",
        SAYS.fill(
            packets=packets, sources=several(sources), address=address, old=old, mac=mac, new=new,
            seconds=f"{seconds:g}", announced=ANNOUNCED.fill() if station.is_announced else "",
        ),
        FIX.fill(mac=mac, old=old, address=address),
        {
            "mac": mac, "address": address, "old": old, "new": new, "sources": sources[:MAX_EVIDENCE],
            "packets": packets, "seconds": seconds, "announced_by_rarp": station.is_announced,
        },
        sorted({*moves, *hops}),
    )  # fmt: skip
