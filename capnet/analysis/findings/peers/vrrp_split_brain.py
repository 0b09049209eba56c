"""vrrp-split-brain: two hosts are master of one virtual router of VRRP at the same time.

Looks at: advertisements of VRRP (RFC 3768, RFC 9568) of two sources, with one number and an address in common, that go
on beside each other: four or more of each in a row while the other one advertises as well, which takes longer than the
three intervals of a hand-over. At one point; or at two, where the hosts exchange other packets.
Says: which hosts, which addresses both have then, for how long, and where the capture shows it why: the advertisements
of the better master do not come to the other one; they come, and the passwords, versions or intervals differ; they
come, and nothing differs. A warning once one of them gave way.
Wrong when: two networks with equal addresses are in one capture.
Fix: let VRRP (IP protocol 112) pass between the two hosts and into them, or name the right unicast peers.
Verify: `tcpdump -ni IFACE proto 112` on each shows both; the addresses of `ip address show` are on one host only.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import is_multicast
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.control.rival_masters import RivalMasters, differs, rival_masters

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = None  # the scenarios have no VRRP
WITNESS = "tests/analysis/findings/recorded/vrrp-handover/left__eth0.pcap"  # two masters in turn, and two numbers
EXPLAINS = ("address-moved", "duplicate-ip", "vip-answered-by-many")
READS = ("vrrp",)

PAGE_ZH = """两台主机同时是 VRRP 的同一个虚拟路由器的主机（master）。

检查：两个来源的 VRRP 通告（RFC 3768、RFC 9568），编号相同且有共同的地址，并行不断：在另一方也在通告时各自连续四个以上，
这超过了接管所需的三个间隔。在同一抓包点上；或在两个抓包点上，如果两台主机之间还有其他包。
结论：哪两台主机，哪些地址因此两边都有，持续多久；如果抓包能显示，还有原因：较优一方的通告没有到达另一方；到达了，但密码、
版本或间隔不同；到达了，且没有任何不同。其中一方退让之后为警告。
误判：一份抓包里有地址相同的两个网络。
处理：在两台主机之间放行 VRRP（IP 协议 112）并允许进入主机，或写对单播的对端。
验证：在两边 `tcpdump -ni IFACE proto 112` 都应看到双方；`ip address show` 中这些地址只应在一台主机上。
"""

SAYS = Text(
    en="{first} and {second} are both master of virtual router {router} ({addresses}) for {seconds:.0f} s{end}: each "
    "went on advertising beside the other ({counts}); {shown}",
    zh="{first} 和 {second} 同时是虚拟路由器 {router}（{addresses}）的主机，持续 {seconds:.0f} 秒{end}：各自在对方通告"
    "的同时继续通告（{counts}）；{shown}",
)
SAYS_DEAF = Text(
    en="{second} became master of virtual router {router} ({addresses}) beside {first}, which went on advertising for "
    "{seconds:.0f} s or more; {shown}, so that each discards what the other says",
    zh="{second} 成为虚拟路由器 {router}（{addresses}）的主机，而 {first} 在 {seconds:.0f} 秒以上的时间里继续通告；"
    "{shown}，所以各方都会丢弃对方的通告",
)
IS_OVER = Text(en=", until one of them gave way", zh="，直到其中一方退让")
LASTS = Text(en=" or more", zh="以上")
MISSING = Text(
    en="those of {first} do not come to {point}, the interface of {second}",
    zh="{first} 的通告没有到达 {second} 的接口 {point}",
)
PASSWORDS = Text(en="their passwords differ", zh="两者的密码不同")
VERSIONS = Text(en="their versions differ, {versions}", zh="两者的版本不同：{versions}")
INTERVALS = Text(en="their intervals differ, {intervals} s", zh="两者的间隔不同：{intervals} 秒")
ARRIVES = Text(
    en="those of {first} come to {point}, the interface of {second}, which should yield to priority {priority}",
    zh="{first} 的通告到达了 {second} 的接口 {point}，它应当让位于优先级 {priority}",
)
UNKNOWN = Text(
    en="{second} should yield to priority {priority}", zh="{second} 应当让位于优先级 {priority}"
)  # fmt: skip
FIX_MISSING = Text(
    en="let VRRP (IP protocol 112) pass from {first} to {second}{how}",
    zh="从 {first} 到 {second} 放行 VRRP（IP 协议 112）{how}",
)
BY_GROUP = Text(
    en=": multicast to {group}; where the network carries none (clouds, overlays), name each other as `unicast_peer`",
    zh="：发往 {group} 的组播；网络不传组播时（云、overlay），互相写为 `unicast_peer`",
)
BY_UNICAST = Text(
    en=": {first} sends to {group}; compare the `unicast_peer` of both with their addresses",
    zh="：{first} 发往 {group}；把两边的 `unicast_peer` 与它们的地址比较",
)
FIX_FIREWALL = Text(
    en="let VRRP (IP protocol 112) into {second}: `iptables -vnL INPUT`, `nft list ruleset`, firewalld (`protocol "
    "vrrp`) there; if it gets in, the log of keepalived says why it is discarded",
    zh="允许 VRRP（IP 协议 112）进入 {second}：那里的 `iptables -vnL INPUT`、`nft list ruleset`、firewalld（`protocol "
    "vrrp`）；如果已进入，keepalived 的日志会说明为何被丢弃",
)
FIX_SETTINGS = Text(
    en="give both the same {setting} in keepalived.conf: each discards advertisements of another one",
    zh="在两边的 keepalived.conf 中使用相同的 {setting}：各方会丢弃与自己不同的通告",
)
MAX_FINDINGS = 20


def diagnose(context: Context) -> list[Finding]:
    return [_finding(of) for of in rival_masters(context)[:MAX_FINDINGS]]


def _finding(of: RivalMasters) -> Finding:
    first, second = of.first, of.second
    shown, fix = _why(of)
    return Finding(
        NAME,
        "warning" if of.is_over else "error",
        (SAYS_DEAF if of.is_deaf else SAYS).fill(
            first=first.source, second=second.source, router=of.router, addresses=several(of.addresses),
            seconds=of.span_ns / 1e9, end=(IS_OVER if of.is_over else LASTS).fill(),
            counts=several([str(count) for count in of.counts]), shown=shown,
        ),
        fix,
        {
            "router": of.router, "addresses": of.addresses, "masters": [first.source, second.source],
            "priorities": [first.priority, second.priority], "advertisements": list(of.counts),
            "seconds": round(of.span_ns / 1e9, 1), "is_over": of.is_over,
        },
        of.evidence,
    )  # fmt: skip


def _why(of: RivalMasters) -> tuple[str, str]:
    """Why the other master does not yield, as far as it is shown, and what to do."""
    first, second = of.first, of.second
    ends = {"first": first.source, "second": second.source, "priority": first.priority}
    if of.missing_at and not of.is_deaf:
        how = BY_GROUP if is_multicast(first.destination) else BY_UNICAST
        return MISSING.fill(**ends, point=of.missing_at), FIX_MISSING.fill(
            **ends, how=how.fill(group=first.destination, first=first.source)
        )
    setting = differs(first, second)
    if setting == "version":
        versions = several([str(first.version), str(second.version)])
        return VERSIONS.fill(versions=versions), FIX_SETTINGS.fill(setting="vrrp_version")
    if setting == "password":
        return PASSWORDS.fill(), FIX_SETTINGS.fill(setting="authentication")
    if setting == "interval":
        intervals = several([f"{master.interval_ms / 1000:g}" for master in (first, second)])
        return INTERVALS.fill(intervals=intervals), FIX_SETTINGS.fill(setting="advert_int")
    shown = ARRIVES.fill(**ends, point=of.arrives_at) if of.arrives_at else UNKNOWN.fill(**ends)
    return shown, FIX_FIREWALL.fill(**ends)
