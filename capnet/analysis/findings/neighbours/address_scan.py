"""address-scan: a host asks for many addresses that no host has.

Looks at: unanswered ARP requests and neighbor solicitations (`facts.neighbours.unanswered_neighbours`), by who asks.
Says: who asked for how many addresses, and how often; 20 addresses or more are told as a scan.
Wrong when: that many machines of one network are down, and one host waits for all of them.
Fix: none is needed for an inventory or a monitor; else find the process that scans on that host.
Verify: `ss -anp` or `ps` on the asking host while it asks.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.facts.neighbours.unanswered_neighbours import MIN_SCANNED, Unanswered, unanswered_by_asker
from capnet.wire.addresses import address_value

NAME = finding_name(__name__)
LEVELS = ("info",)
SCENARIO = None  # no scenario has a scanner
WITNESS = "pcaps/macvlan.pcapng"  # a host asks for one address in vain
EXPLAINS = ()

PAGE_ZH = """一台主机询问许多没有主机拥有的地址。

检查：无应答的 ARP 请求和 neighbor solicitation（`facts.neighbours.unanswered_neighbours`），按询问者统计。
结论：谁询问了多少个地址、多少次；20 个及以上视为扫描。
误判：一个网络中确实有这么多机器停机，而一台主机在等它们全部。
处理：如果是资产清点或监控，无需处理；否则查找该主机上扫描的进程。
验证：在询问的主机上，扫描进行时执行 `ss -anp` 或 `ps`。
"""

SAYS = Text(
    en="{asker} asked for {addresses} addresses {requests:time}, no answer",
    zh="{asker} 询问了 {addresses} 个地址共 {requests} 次，没有应答",
)


def diagnose(context: Context) -> list[Finding]:
    return [
        _finding(context, asker, absent)
        for kind in ("arp", "nd")
        for asker, questions in sorted(
            unanswered_by_asker(context, kind).items(), key=lambda item: address_value(item[0])
        )
        if len(absent := [question for question in questions if question.whereabouts is None]) >= MIN_SCANNED
    ]


def _finding(context: Context, asker: str, questions: list[Unanswered]) -> Finding:
    targets = sorted((question.target for question in questions), key=address_value)
    requests = sum(question.requests for question in questions)
    return Finding(
        NAME,
        "info",
        SAYS.fill(asker=asker, addresses=len(targets), requests=requests),
        None,
        {"asks": asker, "targets": targets[:MAX_EVIDENCE], "addresses": len(targets), "requests": requests},
        sorted(frame for question in questions for frame in question.evidence(context))[:MAX_EVIDENCE],
    )
