"""encryption-one-side: one host sends the frames of an encrypted overlay network in clear, and the other takes none.

Looks at: VXLAN of a network with Docker's option `encrypted` that can be read on the wire. It arrives at a host, and
none of it comes out of the tunnel there, while that point listens (`facts.overlay.encrypted.clear_tunnels`).
Says: which network's frames are in clear, where they are seen, and where none comes out. Docker drops frames of such a
network that come in clear.
Wrong when: another rule drops them, too.
Fix: load the kernel modules of ESP and xfrm on the host that sends in clear, and restart its dockerd.
Verify: `iptables -t mangle -S OUTPUT` there marks UDP port 4789 of the VNI, `ip xfrm policy` has a policy for the mark;
`iptables -vnL INPUT` on the other host counts what it drops.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.facts.overlay.encrypted.clear_tunnels import ClearTunnel, clear_tunnels

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = None  # Docker's own rules encrypt on both hosts
WITNESS = "pcaps/overlay-encrypted.pcapng"  # ESP both ways
EXPLAINS = ("tunnel-one-way", "tunnel-not-decapsulated", "encrypted-overlay", "stops-between", "arp-unanswered")
IS_OF_TUNNEL = True

PAGE_ZH = """一台主机以明文发送加密 overlay 网络的帧，另一台一个也不接受。

检查：带 Docker `encrypted` 选项的网络的 VXLAN 在线路上可读；它到达一台主机，而那里的抓包点在抓包期间没有看到任何帧从隧
道出来（`facts.overlay.encrypted.clear_tunnels`）。
结论：哪个网络的帧是明文，见于哪里，在哪里没有出来。Docker 会丢弃这种网络以明文到来的帧。
误判：还有别的规则丢弃它们。
处理：在以明文发送的主机上加载 ESP 和 xfrm 的内核模块，并重启其 dockerd。
验证：该主机上 `iptables -t mangle -S OUTPUT` 给这个 VNI 的 UDP 4789 打标记，`ip xfrm policy` 有该标记的策略；另一台主机
上 `iptables -vnL INPUT` 统计丢弃的包。
"""

SAYS = Text(
    en="network {network} is to be encrypted, but its frames cross {point} in clear (VNI {vni}), and none comes out "
    "of the tunnel at {closed}: that host takes encrypted ones only",
    zh="网络 {network} 应当加密，但它的帧以明文经过 {point}（VNI {vni}），而在 {closed} 没有一个从隧道出来：那台主机只"
    "接受加密的帧",
)
FIX = Text(
    en="on the host that sends in clear: `modprobe esp4 xfrm_user`, then restart dockerd; `iptables -t mangle -S "
    "OUTPUT` must mark UDP port 4789 of VNI {vni}, and `ip xfrm policy` have the mark",
    zh="在以明文发送的主机上：`modprobe esp4 xfrm_user`，然后重启 dockerd；`iptables -t mangle -S OUTPUT` 应给 VNI "
    "{vni} 的 UDP 4789 打标记，`ip xfrm policy` 应有该标记",
)


def diagnose(context: Context) -> list[Finding]:
    return [_finding(of) for of in clear_tunnels(context) if of.closed is not None]


def _finding(clear: ClearTunnel) -> Finding:
    tunnel = clear.tunnel
    return Finding(
        NAME,
        "error",
        SAYS.fill(network=clear.network, point=tunnel.point, vni=tunnel.vni, closed=clear.closed),
        FIX.fill(vni=tunnel.vni),
        {"network": clear.network, "vni": tunnel.vni, "hosts": tunnel.vteps, "closed": clear.closed},
        tunnel.evidence[:MAX_EVIDENCE],
    )
