"""foreign-vtep: frames of an overlay network come from a host that is no node of the swarm.

Looks at: the endpoints of VXLAN tunnels against the nodes in the topology, its hosts and the peers that Docker names
for a network; where the topology is of one host without peers, or there is none, against the addresses that gossip on
port 7946 in the same capture.
Says: which endpoint is unknown. Linux accepts frames with a known VNI from any sender and learns their MACs, so such a
host can speak to the containers, or in their name.
Wrong when: the capture lacks the gossip of a node, or the topology was recorded before a node joined.
Fix: accept UDP port 4789 from the swarm's nodes only, or encrypt the network.
Verify: `docker node inspect --format '{{.Status.Addr}}' NODE` of every node; `bridge fdb show dev vxlan0` in the
overlay's namespace.
"""

from __future__ import annotations

from capnet import language
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import (
    FLOW_DPORT,
    FLOW_DST,
    FLOW_SRC,
)
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.facts.models import MIN_CONFIDENCE, confidence_in
from capnet.analysis.facts.models.signs.overlay import FIRST_SWARM_VNI
from capnet.analysis.facts.swarm_traffic import swarm_flows
from capnet.analysis.facts.tunnels import tunnel_facts
from capnet.wire.addresses import address_text
from capnet.wire.numbers import PORT_SWARM_GOSSIP

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = "fault foreign-vtep"
WITNESS = "pcaps/overlay.pcapng"  # VXLAN between two nodes
EXPLAINS = ()

PAGE_ZH = """overlay 网络的帧来自一台不是 swarm 节点的主机。

检查：VXLAN 隧道的端点，与拓扑中的节点对比，即其中的主机和 Docker 为网络列出的 peer；拓扑只有一台主机且没有 peer，
或没有拓扑时，与同一抓包中在端口 7946 上 gossip 的地址对比。
结论：哪个端点未知。Linux 接受任何发送者的已知 VNI 的帧并学习其 MAC，因此这样的主机可以与容器通信，或冒充它们。
误判：抓包中缺少某个节点的 gossip，或拓扑在该节点加入之前记录。
处理：UDP 端口 4789 只接受 swarm 的节点，或加密该网络。
验证：对每个节点 `docker node inspect --format '{{.Status.Addr}}' NODE`；在 overlay 的命名空间中
`bridge fdb show dev vxlan0`。
"""

SAYS = Text(
    en="{vtep} exchanges frames of VNI {vnis} but is no node: {reason}",
    zh="{vtep} 收发 VNI {vnis} 的帧，但它不是节点：{reason}",
)
BY_TOPOLOGY = Text(en="no host of the topology has that address", zh="拓扑中没有主机拥有该地址")
BY_GOSSIP = Text(en="the nodes gossip on port {port}, it does not", zh="各节点在端口 {port} 上 gossip，它没有")
FIX = Text(
    en="accept UDP port 4789 from the swarm's nodes only, or encrypt the network (--opt encrypted)",
    zh="UDP 端口 4789 只接受 swarm 的节点，或加密该网络（--opt encrypted）",
)


def diagnose(context: Context) -> list[Finding]:
    tunnels = [tunnel for tunnel in tunnel_facts(context) if tunnel.kind == "vxlan"]
    if not tunnels or confidence_in(context, "overlay") < MIN_CONFIDENCE:
        return []  # VXLAN of another system; MetalLB gossips on that port as well
    nodes, reason = _nodes(context)
    findings = []
    for vtep in sorted({vtep for tunnel in tunnels for vtep in tunnel.vteps} - nodes):
        of_vtep = [tunnel for tunnel in tunnels if vtep in tunnel.vteps and (tunnel.vni or 0) >= FIRST_SWARM_VNI]
        # Without a node at the other end it may be VXLAN of another system.
        if not any(set(tunnel.vteps) & nodes for tunnel in of_vtep):
            continue
        vnis = sorted({tunnel.vni for tunnel in of_vtep if tunnel.vni is not None})
        findings.append(
            Finding(
                NAME,
                "error",
                SAYS.fill(vtep=vtep, vnis=language.items(map(str, vnis)), reason=reason),
                FIX.fill(),
                {"vtep": vtep, "vnis": vnis},
                sorted(frame for tunnel in of_vtep for frame in tunnel.evidence)[:MAX_EVIDENCE],
            )
        )
    return findings


def _nodes(context: Context) -> tuple[set[str], str]:
    """Addresses of the swarm's nodes, and why another address is none."""
    if context.topology and context.topology.hosts:
        hosts = context.topology.hosts
        peers = {peer for network in context.topology.networks for peer in network.peers}
        addresses = {ip for host in hosts for ip in host.ips}
        if peers or len(hosts) > 1:  # one host alone does not tell which others are of the swarm
            return addresses | peers, BY_TOPOLOGY.fill()
    gossip = context.flows[swarm_flows(context) & (context.flows[:, FLOW_DPORT] == PORT_SWARM_GOSSIP)]
    addresses = {address_text(int(row[hi]), int(row[lo])) for row in gossip for hi, lo in (FLOW_SRC, FLOW_DST)}
    return addresses, BY_GOSSIP.fill(port=PORT_SWARM_GOSSIP)
