"""kernel-drop: a kernel's own counters say that it dropped packets that no other finding explains.

Looks at: packets without an answer that were last seen on their way into a host or a container, and the witnesses of
the recording (NAME.witnesses.json): rules and counters before and after it.
Says: which rule or counter rose by as many packets as are missing; where it knows the rule, its text.
Wrong when: other packets, which were not captured, made the counter rise by the same number, with as many bytes.
Fix: change the rule, or what the counter counts.
Verify: `iptables -vnL --line-numbers`, `nft list ruleset` or `nstat -az`: the counter rises with each attempt.
"""

from __future__ import annotations

from dataclasses import replace

from capnet.analysis.core.context import Context
from capnet.analysis.core.contract.outcomes import KernelReason
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.facts.kernel import has_meaning, kernel_reasons
from capnet.analysis.facts.kernel.netfilter.rules import listing_command

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault kernel-drop"
WITNESS = "pcaps/bridge.pcapng"  # packets that arrive
EXPLAINS = ("connection-cut", "connection-unanswered", "handshake-unfinished", "retransmissions", "stops-between")

PAGE_ZH = """内核自己的计数器说它丢弃了包，而没有其他诊断能解释。

检查：没有应答、最后见于进入主机或容器途中的包，以及抓包的见证（NAME.witnesses.json）：前后的规则和计数器。
结论：哪条规则或计数器增加的数量与缺少的包相同；知道规则时给出其内容。
误判：没有抓到的其他包使计数器增加了同样的数量和字节。
处理：修改规则，或排除计数器所计的问题。
验证：`iptables -vnL --line-numbers`、`nft list ruleset` 或 `nstat -az`：每次尝试时计数器增加。
"""

SAYS = Text(
    en="{packets:packet} that {point} shows went no further: {reason}",
    zh="{point} 上看到的 {packets} 个包没有继续前进：{reason}",
)
FIX = Text(
    en="change that rule, if it is not meant to stop them: `{command}` lists it",
    zh="如果那条规则不该拦截它们，请修改：`{command}` 会列出它",
)
FIX_FILTER = Text(
    en="change the filter, if it is not meant to stop them: `tc filter show dev {device} ingress` lists it",
    zh="如果那个过滤器不该拦截它们，请修改：`tc filter show dev {device} ingress` 会列出它",
)
FIX_COUNTER = Text(
    en="`nstat -az` in the namespace {host} counts them; mend what it counts",
    zh="在 {host} 的命名空间中 `nstat -az` 显示其计数；排除它所计的问题",
)

MIN_REPEATED = 2  # packets: one alone may be the last of the capture


def diagnose(context: Context) -> list[Finding]:
    findings = []
    for reason in _distinct(kernel_reasons(context)):
        # The bytes of a rule agree too; of a counter without setting and meaning, the number of packets alone.
        is_explained = reason.kind != "counter" or reason.text != "" or has_meaning(reason.name)
        is_certain = reason.missing >= MIN_REPEATED and is_explained
        findings.append(
            Finding(
                NAME,
                "error" if is_certain else "warning",
                SAYS.fill(packets=reason.missing, point=reason.point, reason=reason.says),
                _fix(reason),
                {
                    "namespace": reason.namespace, "point": reason.point, "rule": reason.name,
                    "packets": reason.missing,
                },
                reason.evidence,
            )
        )  # fmt: skip
    return findings


def _fix(reason: KernelReason) -> str:
    device, _, counter = reason.name.partition(" ")
    if reason.kind == "counter" and counter in ("clsact drops", "ingress drops"):
        return FIX_FILTER.fill(device=device)
    if reason.kind in ("counter", "drop-reason"):
        return FIX_COUNTER.fill(host=reason.namespace)
    tool = reason.name.partition(" ")[0]
    return FIX.fill(command=listing_command(tool, reason.table or "", reason.chain or ""))


def _distinct(reasons: list[KernelReason]) -> list[KernelReason]:
    """Reasons for drops that account for all packets. A drop reason and a counter of the same packets are one."""
    distinct: dict[tuple[str, str, int], KernelReason] = {}
    for reason in reasons:
        if reason.match == "equal" and reason.action == "dropped":
            key = (reason.namespace, reason.point, reason.missing)
            first = distinct.get(key)
            if first is None or first.kind == reason.kind:
                distinct[key if first is None else (*key[:2], -len(distinct))] = reason
            else:
                distinct[key] = replace(first, says=f"{first.says}; {reason.says}")
    return list(distinct.values())
