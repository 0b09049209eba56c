"""password: the SYNs of one end or of both carry a signature by TCP MD5, as those of BGP with a password do."""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.wording import Text, several
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.syns.service_groups import ServiceGroup
from capnet.analysis.facts.syns.signatures import Signers, signers_of

SIGNED: dict[Signers, Text] = {
    "client": Text(
        en="; they carry a signature by TCP MD5, and the SYNs of {server} to {client} none: only {client} has a "
        "password for the other, and each drops what the other sends",
        zh="；它们带有 TCP MD5 签名，而 {server} 发往 {client} 的 SYN 没有：只有 {client} 为对方配置了密码，双方都会"
        "丢弃对方发送的",
    ),
    "server": Text(
        en="; they carry no signature by TCP MD5, and the SYNs of {server} to {client} do: {server} has a password for "
        "{client}, and drops what is not signed",
        zh="；它们没有 TCP MD5 签名，而 {server} 发往 {client} 的 SYN 有：{server} 为 {client} 配置了密码，会丢弃没有"
        "签名的",
    ),
    "both": Text(
        en="; the SYNs of both ends carry a signature by TCP MD5, and an end drops those that are not signed with its "
        "own password and for these addresses",
        zh="；两端的 SYN 都带有 TCP MD5 签名，一端会丢弃不是用它自己的密码、或不是为这些地址签名的",
    ),
    "client at least": Text(
        en="; they carry a signature by TCP MD5, and a server without the same password for {client} drops them "
        "without an answer",
        zh="；它们带有 TCP MD5 签名，没有为 {client} 配置相同密码的服务器会丢弃它们而不应答",
    ),
}
FIX = Text(
    en="give both ends the same password for each other, or none (`password` of BIRD, FRR and Calico, "
    "`passwordSecret` of MetalLB); no NAT may lie between; `nstat -az | grep MD5` at {server} counts what it drops",
    zh="让两端为对方配置相同的密码，或都不配置（BIRD、FRR、Calico 的 `password`，MetalLB 的 `passwordSecret`）；"
    "中间不能有 NAT；{server} 上 `nstat -az | grep MD5` 统计丢弃的包",
)


def clue(context: Context, group: ServiceGroup) -> Clue | None:
    """Which end signs, unless the server is down, or refused them before."""
    signs = signers_of(context, group) if group.kind not in ("gone", "refused", "later") else None
    if signs is None:
        return None
    says = SIGNED[signs].fill(server=group.first.address, client=several(group.clients))
    return Clue(FIX.fill(server=group.first.address), says, {"signs": signs})
