"""not-masqueraded: a container's packets leave the host with the container's own address, and get no answer.

Looks at: questions (TCP SYN, ICMP echo request) that were routed from a bridge to the host's interface without a
translation, and that no packet answered at any point. Where a router gets them, it must answer others that the same
host masquerades.
Says: which addresses, by which interface. The far side has no route back to them, or owns such addresses itself.
Wrong when: the network is meant to be routed, and the far side does not answer for another reason.
Fix: restore the masquerade rule, for instance by restarting Docker after a firewall reload. Docker before 27 writes
none for IPv6 unless daemon.json says so.
Verify: `iptables -t nat -S POSTROUTING` has a MASQUERADE rule for the bridge's subnet; then `conntrack -D -s ADDRESS`,
because NAT rules see the first packet of a connection only.
"""

from __future__ import annotations

from capnet import language
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import source
from capnet.analysis.core.results import Finding
from capnet.analysis.core.schema import FLOW_POINT
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.unanswered import left_untranslated, unanswered_beside_masquerade

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = "fault not-masqueraded"
WITNESS = "pcaps/ipvlan-l3.pcapng"  # containers' own addresses on the wire, by design
EXPLAINS = ("connection-unanswered", "handshake-unfinished")

PAGE_ZH = """容器的包以容器自己的地址离开主机，没有应答。

检查：从网桥路由到主机接口而没有转换、在任何抓包点上都没有应答的请求（TCP SYN、ICMP echo request）。如果请求交给了路
由器，则该路由器必须应答同一主机做了 MASQUERADE 的其他请求。
结论：哪些地址，从哪个接口。对端没有返回它们的路由，或自己就有这样的地址。
误判：网络本来就是路由方式，对端因其他原因不应答。
处理：恢复 MASQUERADE 规则，例如防火墙重新加载之后重启 Docker。Docker 27 之前，除非 daemon.json 要求，不为 IPv6 写规则。
验证：`iptables -t nat -S POSTROUTING` 中有针对网桥子网的 MASQUERADE 规则；然后 `conntrack -D -s ADDRESS`，因为 NAT
规则只看连接的第一个包。
"""

SAYS = Text(
    en="{connections:connection} of {addresses} left by {point} with the container's own address, and no answer came",
    zh="{addresses} 的 {connections} 个连接以容器自己的地址从 {point} 发出，没有应答",
)
FIX = Text(
    en="restore the masquerade rule: `iptables -t nat -S POSTROUTING` should have one for the bridge's subnet "
    "(restarting Docker writes it again); mind `enable_ip_masquerade`",
    zh="恢复 MASQUERADE 规则：`iptables -t nat -S POSTROUTING` 中应有一条针对该网桥子网的规则（重启 Docker 会重新写"
    "入）；注意 `enable_ip_masquerade`",
)
FIX_PODMAN = Text(
    en="restore the masquerade rule: `podman network reload --all` writes podman's rules again, which a firewall's "
    "reload removes",
    zh="恢复 MASQUERADE 规则：`podman network reload --all` 会重新写入 podman 的规则，防火墙重新加载会删除它们",
)
FIX_IPV6 = Text(
    en='let Docker masquerade IPv6 too: `"ip6tables": true` in daemon.json (before Docker 27 with `"experimental": '
    "true`), which `ip6tables -t nat -S POSTROUTING` then shows; or give the containers addresses of a prefix that the "
    "network routes to this host",
    zh='让 Docker 也对 IPv6 做 MASQUERADE：在 daemon.json 中设置 `"ip6tables": true`（Docker 27 之前还要 '
    '`"experimental": true`），之后 `ip6tables -t nat -S POSTROUTING` 会显示；或给容器分配网络会路由到该主机的前缀中的'
    "地址",
)

MAX_SENTENCE_ADDRESSES = 3
MAX_ADDRESSES = 20  # that the facts list


def diagnose(context: Context) -> list[Finding]:
    flows, links = context.flows, flow_links(context)
    left: dict[str, list[int]] = {}
    for rows, *_ in unanswered_beside_masquerade(context):
        position = left_untranslated(context, rows)
        if position is not None and links.ttl_delta[links.before[rows[position]]] < 0:
            left.setdefault(context.points[flows[rows[position], FLOW_POINT]].name, []).append(rows[position])
    findings = []
    for point, rows in sorted(left.items()):
        addresses = sorted({source(flows[row]) for row in rows})
        evidence = [context.flow_evidence(row, int(links.frames[links.before[row], 1])) for row in rows]
        findings.append(
            Finding(
                NAME,
                "error",
                SAYS.fill(
                    connections=len(rows), addresses=language.items(addresses[:MAX_SENTENCE_ADDRESSES]), point=point
                ),
                _fix(context, rows, addresses),
                {"point": point, "addresses": addresses[:MAX_ADDRESSES], "connections": len(rows)},
                sorted(evidence),
            )
        )
    return findings


def _fix(context: Context, rows: list[int], addresses: list[str]) -> str:
    """What to do, by the bridge that the packets came by, and their family."""
    before = context.flows[flow_links(context).before[rows], FLOW_POINT].tolist()
    bridges = [context.points[point].name.rpartition("/")[2] for point in before]
    if all(bridge.startswith(("podman", "cni-podman")) for bridge in bridges):
        return FIX_PODMAN.fill()
    return (FIX_IPV6 if all(":" in address for address in addresses) else FIX).fill()
