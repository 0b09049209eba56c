"""vip-answered-by-many: several hosts answer for the address of a service, and clients reach any of them.

Looks at: an address for which several MACs answer the same questions, each of which has an address of its own on that
link as well (`facts.layer2.rival_stations`).
Says: which address, and which hosts answer for it.
Wrong when: one of the hosts took the address by mistake; then it is a duplicate address, and the fix another one.
Fix: let one host at a time answer: strictARP of kube-proxy, `arp_ignore` and `arp_announce` where all have the address,
VRRP packets (protocol 112) that pass between hosts that take turns.
Verify: `arping -I IFACE ADDRESS` gets replies from one MAC only.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.layer2.rival_stations import How, rival_stations
from capnet.wire.addresses import mac_text

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = "fault vip-answered-by-many"
WITNESS = "pcaps/overlay-service.pcapng"  # a service whose tasks have addresses of their own
EXPLAINS = ("connection-unanswered", "handshake-unfinished")

PAGE_ZH = """多台主机应答一个服务的地址，客户端会到达其中任意一台。

检查：多个 MAC 应答同样询问的地址，而各 MAC 在该链路上还有自己的地址（`facts.layer2.rival_stations`）。
结论：哪个地址，哪些主机应答它。
误判：其中一台误用了该地址；这时是地址重复，处理方法不同。
处理：同一时刻只让一台主机应答：kube-proxy 的 strictARP，所有主机都有该地址时用 `arp_ignore` 和 `arp_announce`，轮流
接管的主机之间放行 VRRP（协议 112）。
验证：`arping -I IFACE ADDRESS` 只有一个 MAC 应答。
"""

SAYS = Text(
    en="{count} hosts answer each request for {address}: {hosts}; clients reach any of them",
    zh="对 {address} 的每个请求有 {count} 台主机应答：{hosts}；客户端会到达其中任意一台",
)
HOST = Text(en="{address} ({mac})", zh="{address}（{mac}）")
FIX = Text(
    en="let one host at a time answer for {address}: strictARP: true (kube-proxy with IPVS), `sysctl net.ipv4.conf.all."
    "arp_ignore=1 net.ipv4.conf.all.arp_announce=2` where all have it, or let VRRP (protocol 112) pass between them",
    zh="同一时刻只让一台主机应答 {address}：strictARP: true（使用 IPVS 的 kube-proxy），在所有拥有它的主机上 `"
    "sysctl net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2`，或放行它们之间的 VRRP（协议 112）",
)


def diagnose(context: Context) -> list[Finding]:
    findings = []
    for rivals in rival_stations(context):
        if rivals.how == How.AT_ONCE and rivals.is_service:
            hosts = [HOST.fill(address=rivals.own[mac][0], mac=mac_text(mac)) for mac in rivals.macs]
            findings.append(
                Finding(
                    NAME,
                    "error",
                    SAYS.fill(count=len(hosts), address=rivals.address, hosts=several(hosts)),
                    FIX.fill(address=rivals.address),
                    {
                        "address": rivals.address,
                        "hosts": [rivals.own[mac][0] for mac in rivals.macs],
                        "macs": [mac_text(mac) for mac in rivals.macs],
                    },
                    sorted(rivals.evidence)[:MAX_EVIDENCE],
                )
            )
    return findings
