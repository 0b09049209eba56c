"""session-refused: an end refuses or ends a session of BGP or IKE, and says why.

Looks at: NOTIFICATIONs of BGP (RFC 4271 section 4.5), and errors that IKE notifies of in clear, before there are keys
(RFC 7296 section 3.10.1). Not: the end of one of two connections that both ends of BGP opened at once; a single
INVALID_KE_PAYLOAD, after which the client tries the group that it names.
Says: which end refuses whom, how often, by what reason, what the refused end offered where that is the reason, and
whether there is a session since (then an info).
Wrong when: another host forges the message, which nothing authenticates.
Fix: change what the reason names: AS numbers, hold times and limits of prefixes of BGP; proposals of IKE.
Verify: `birdc show protocols all`, `vtysh -c 'show bgp neighbors'`, `calicoctl node status`; `swanctl --log`.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.core.results import Evidence, Finding
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.facts.control.refusals import Refusal, refusals
from capnet.wire.numbers import PORT_BGP, TCP
from capnet.wire.protocols import bgp, ike

NAME = finding_name(__name__)
LEVELS = ("warning", "info")
SCENARIO = None  # the scenarios have no BGP and no IKE
WITNESS = "tests/analysis/findings/recorded/bgp-healthy/left__eth0.pcap"  # a session that stays
EXPLAINS = ("accepted-then-closed", "closed-before-request", "connection-refused", "reset-in-session")
READS = ("bgp", "ike")

PAGE_ZH = """一端拒绝或结束 BGP 或 IKE 的会话，并说明原因。

检查：BGP 的 NOTIFICATION（RFC 4271 第 4.5 节），以及 IKE 在有密钥之前明文通知的错误（RFC 7296 第 3.10.1 节）。不包括：
BGP 两端同时打开两个连接时结束其中一个；单个 INVALID_KE_PAYLOAD，客户端随后会尝试它指出的群组。
结论：哪一端拒绝哪一端，多少次，原因是什么，被拒绝的一端提出了什么（如果这就是原因），此后是否有了会话（这时为提示）。
误判：另一台主机伪造了该消息，它没有任何认证。
处理：修改原因所指的内容：BGP 的 AS 号、保持时间和前缀上限；IKE 的提议。
验证：`birdc show protocols all`、`vtysh -c 'show bgp neighbors'`、`calicoctl node status`；`swanctl --log`。
"""

BGP_REFUSED = Text(
    en="{refuser} refused the BGP session with {refused}{often}: {reason} (NOTIFICATION {code}/{detail}){more}",
    zh="{refuser} 拒绝了与 {refused} 的 BGP 会话{often}：{reason}（NOTIFICATION {code}/{detail}）{more}",
)
BGP_ENDED = Text(
    en="{refuser} ended the BGP session with {refused}{often}: {reason} (NOTIFICATION {code}/{detail}){more}",
    zh="{refuser} 结束了与 {refused} 的 BGP 会话{often}：{reason}（NOTIFICATION {code}/{detail}）{more}",
)
IKE_REFUSED = Text(
    en="{refuser} refused the {protocol} SA that {refused} asks for{often}: {reason}{more}",
    zh="{refuser} 拒绝了 {refused} 请求的 {protocol} SA{often}：{reason}{more}",
)
OFTEN = Text(en=" {messages:time}", zh=" {messages} 次")  # not of a single one
OFFERS_AS = Text(en="; {refused} says that it is AS {number}", zh="；{refused} 说自己是 AS {number}")
OFFERS_HOLD = Text(en="; {refused} offers {seconds} s", zh="；{refused} 提出 {seconds} 秒")
NOTHING_CAME = Text(
    en="; no message of {refused} came to it for as long as that",
    zh="；在这段时间里没有收到 {refused} 的任何 BGP 消息",
)
IS_BACK = Text(en="; there is a session since", zh="；此后又有了会话")

FIX_AS = Text(
    en="the AS number that {refuser} expects of {refused} is another one: compare `neighbor … as` (BIRD), `remote-as` "
    "(FRR), `peerASN` (MetalLB), `asNumber` (Calico) with AS {number}",
    zh="{refuser} 期望 {refused} 的 AS 号是另一个：把 `neighbor … as`（BIRD）、`remote-as`（FRR）、`peerASN`（MetalLB）"
    "、`asNumber`（Calico）与 AS {number} 比较",
)
FIX_HOLD = Text(
    en="give {refused} a hold time of 3 s or more, and no less than {refuser} asks for (`hold time`, `timers bgp`)",
    zh="把 {refused} 的保持时间设为不小于 3 秒，也不小于 {refuser} 的要求（`hold time`、`timers bgp`）",
)
FIX_EXPIRED = Text(
    en="look for what kept the messages of {refused} from {refuser}: loss and filters on the way, an MTU that large "
    "UPDATEs exceed, or a busy {refused}; a capture at each end shows which",
    zh="查找是什么使 {refused} 的消息没有到达 {refuser}：途中的丢包和过滤、大的 UPDATE 超过的 MTU，或 {refused} 太忙；"
    "在两端抓包可以看出是哪一种",
)
FIX_CEASE = Text(
    en="the operator or a limit of {refuser} ended it: `birdc show protocols all`, `show bgp neighbors` there; `birdc "
    "enable`, `no neighbor … shutdown` or a higher limit brings it back",
    zh="是 {refuser} 的管理员或其限制结束了它：在那里 `birdc show protocols all`、`show bgp neighbors`；用 `birdc "
    "enable`、`no neighbor … shutdown` 或更高的上限恢复",
)
FIX_BGP = Text(
    en="compare the configuration of both ends: `birdc show protocols all`, `show bgp neighbors`",
    zh="比较两端的配置：`birdc show protocols all`、`show bgp neighbors`",
)
FIX_PROPOSAL = Text(
    en="give both ends a proposal in common: IKE version, encryption, integrity, PRF and group (`proposals` of "
    "swanctl, `ike=` of ipsec.conf); the log of {refuser} lists what it received and what it wants",
    zh="让两端有共同的提议：IKE 版本、加密、完整性、PRF 和群组（swanctl 的 `proposals`，ipsec.conf 的 `ike=`）；"
    "{refuser} 的日志列出它收到的和想要的",
)
FIX_IKE = Text(
    en="compare the configuration of both ends: `swanctl --list-conns`; the log of {refuser} says more",
    zh="比较两端的配置：`swanctl --list-conns`；{refuser} 的日志有更多信息",
)

BAD_PEER_AS, UNACCEPTABLE_HOLD_TIME, CONNECTION_REJECTED = (2, 2), (2, 6), (6, 5)
MAX_FINDINGS = 20


def diagnose(context: Context) -> list[Finding]:
    return [_finding(context, of) for of in refusals(context)[:MAX_FINDINGS]]


def _finding(context: Context, of: Refusal) -> Finding:
    is_bgp = of.protocol == "BGP"
    reason = _bgp_reason(of) if is_bgp else _ike_reason(of)
    is_refused = of.code == bgp.OPEN_ERROR or (of.code, of.detail) == CONNECTION_REJECTED
    says = (BGP_REFUSED if is_refused else BGP_ENDED) if is_bgp else IKE_REFUSED
    return Finding(
        NAME,
        "info" if of.is_over else "warning",
        says.fill(
            refuser=of.refuser, refused=of.refused, protocol=of.protocol, reason=reason, code=of.code,
            detail=of.detail, often=OFTEN.fill(messages=of.messages) if of.messages > 1 else "",
            more=_offered(of) + (IS_BACK.fill() if of.is_over else ""),
        ),
        None if of.is_over else _fix(of),
        {
            "protocol": of.protocol, "refuser": of.refuser, "refused": of.refused, "reason": reason, "code": of.code,
            **({"subcode": of.detail} if is_bgp else {}), "messages": of.messages, "is_over": of.is_over,
        },
        [*of.evidence, *(_later_connections(context, of) if is_bgp else [])],
    )  # fmt: skip


def _bgp_reason(of: Refusal) -> str:
    return bgp.REASONS.get((of.code, of.detail)) or bgp.REASONS.get((of.code, 0)) or f"error {of.code}"


def _ike_reason(of: Refusal) -> str:
    return ike.ERRORS[int(of.protocol[-1])].get(of.code, f"error {of.code}")


def _offered(of: Refusal) -> str:
    """What the refused end offered, where that is the reason."""
    if of.protocol != "BGP":
        return ""
    if of.code == bgp.HOLD_TIMER_EXPIRED:
        return NOTHING_CAME.fill(refused=of.refused)
    if of.offers and (of.code, of.detail) == BAD_PEER_AS:
        return OFFERS_AS.fill(refused=of.refused, number=str(of.offers[0]))
    if of.offers and (of.code, of.detail) == UNACCEPTABLE_HOLD_TIME:
        return OFFERS_HOLD.fill(refused=of.refused, seconds=of.offers[1])
    return ""


def _fix(of: Refusal) -> str:
    values = {"refuser": of.refuser, "refused": of.refused}
    if of.protocol != "BGP":
        return (FIX_PROPOSAL if of.code in (ike.NO_PROPOSAL_CHOSEN, ike.INVALID_KE_PAYLOAD) else FIX_IKE).fill(**values)
    if of.offers and (of.code, of.detail) == BAD_PEER_AS:
        return FIX_AS.fill(**values, number=str(of.offers[0]))
    if (of.code, of.detail) == UNACCEPTABLE_HOLD_TIME:
        return FIX_HOLD.fill(**values)
    return {bgp.HOLD_TIMER_EXPIRED: FIX_EXPIRED, bgp.CEASE: FIX_CEASE}.get(of.code, FIX_BGP).fill(**values)


def _later_connections(context: Context, of: Refusal) -> list[Evidence]:
    """First frames of the connections between the two that no session came of."""
    flows = context.flows
    is_asked = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_DPORT] == PORT_BGP)
    rows = np.flatnonzero(is_asked & (flows[:, schema.FLOW_SYNS] > 0)).tolist()
    ends = {of.refuser, of.refused}
    return [] if of.is_over else context.first_frames(
        row for row in rows if {source(flows[row]), destination(flows[row])} == ends
    )  # fmt: skip
