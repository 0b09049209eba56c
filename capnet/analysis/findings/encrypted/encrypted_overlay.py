"""encrypted-overlay: an overlay network crosses the wire in ESP; or it is meant to, and does not.

Looks at: ESP between hosts, VXLAN between the same hosts, and Docker's `encrypted` option in the topology.
Says: who encrypts, and whether VXLAN crosses beside it in clear. An error where Docker says the network is encrypted
and its frames are readable on the wire; where the other host takes none of them, `encryption-one-side` says so.
Wrong when: the ESP belongs to another VPN between the same hosts.
Fix: where frames cross in clear, load the kernel modules of ESP and xfrm on both hosts.
Verify: `ip xfrm state` shows a pair of states for each peer; `iptables -t mangle -S` marks UDP port 4789.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding, Tunnel
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.models import MIN_CONFIDENCE, confidence_in
from capnet.analysis.facts.overlay.encrypted.clear_tunnels import clear_tunnels
from capnet.analysis.facts.tunnels import tunnel_facts

NAME = finding_name(__name__)
LEVELS = ("error", "info")
SCENARIO = "overlay-encrypted"
WITNESS = "pcaps/overlay.pcapng"  # an overlay network without the option
EXPLAINS = ()

PAGE_ZH = """overlay 网络在线路上以 ESP 传输；或应当如此而没有。

检查：主机之间的 ESP、同样两台主机之间的 VXLAN，以及拓扑中 Docker 的 `encrypted` 选项。
结论：谁在加密，旁边是否有明文的 VXLAN。Docker 说网络已加密，而线路上的帧可读，为错误；另一台
主机一个也不接受时见 `encryption-one-side`。
误判：ESP 属于这两台主机之间的另一个 VPN。
处理：如果帧以明文传输，在两台主机上加载 ESP 和 xfrm 的内核模块。
验证：`ip xfrm state` 对每个对端显示一对状态；`iptables -t mangle -S` 标记 UDP 端口 4789。
"""

IN_CLEAR = Text(
    en="network {network} is to be encrypted, but its frames cross {point} in clear (VNI {vni})",
    zh="网络 {network} 应当加密，但它的帧以明文经过 {point}（VNI {vni}）",
)
IN_CLEAR_FIX = Text(
    en="check that the kernels of both hosts have ESP and xfrm (`ip xfrm state` shows one pair for each peer)",
    zh="检查两台主机的内核是否有 ESP 和 xfrm（`ip xfrm state` 对每个对端显示一对）",
)
ENCRYPTED = Text(
    en="{vteps} encrypt what they exchange: {packets:ESP packet}", zh="{vteps} 之间的流量已加密：{packets} 个 ESP 包"
)
BESIDE_CLEAR = Text(
    en="{vteps} encrypt what they exchange: {packets:ESP packet}, while VNI {vni} crosses in clear",
    zh="{vteps} 之间的流量已加密：{packets} 个 ESP 包，而 VNI {vni} 以明文经过",
)
ENCRYPTED_FIX = Text(
    en="the frames are readable inside, at br0 or vxlan0 of the overlay's own namespace",
    zh="这些帧在内部可读：overlay 自己的命名空间中的 br0 或 vxlan0",
)


def diagnose(context: Context) -> list[Finding]:
    return [*_in_clear(context), *_encrypted(context)]


def _in_clear(context: Context) -> list[Finding]:
    return [
        Finding(
            NAME,
            "error",
            IN_CLEAR.fill(network=of.network, point=of.tunnel.point, vni=of.tunnel.vni),
            IN_CLEAR_FIX.fill(),
            {"network": of.network, "vni": of.tunnel.vni, "vteps": of.tunnel.vteps, "encrypted": False},
            of.tunnel.evidence[:MAX_EVIDENCE],
        )
        for of in clear_tunnels(context)
        if of.closed is None
    ]


def _encrypted(context: Context) -> list[Finding]:
    esp: dict[tuple[str, ...], list[Tunnel]] = {}
    clear_vnis: dict[tuple[str, ...], int | None] = {}
    for tunnel in tunnel_facts(context):
        if tunnel.kind == "esp":
            esp.setdefault(tuple(tunnel.vteps), []).append(tunnel)
        elif tunnel.kind == "vxlan":
            clear_vnis.setdefault(tuple(tunnel.vteps), tunnel.vni)
    if not esp or confidence_in(context, "overlay") < MIN_CONFIDENCE:  # the ESP may be of any VPN
        return []
    findings = []
    for vteps, tunnels in sorted(esp.items()):
        packets = max(tunnel.frames for tunnel in tunnels)
        text = BESIDE_CLEAR if vteps in clear_vnis else ENCRYPTED
        clear_vni = clear_vnis.get(vteps)
        findings.append(
            Finding(
                NAME,
                "info",
                text.fill(vteps=several(vteps), packets=packets, vni=clear_vni),
                ENCRYPTED_FIX.fill(),
                {"hosts": list(vteps), "packets": packets, "encrypted": True, "clear_vni": clear_vni},
                sorted(frame for tunnel in tunnels for frame in tunnel.evidence),
            )
        )
    return findings
