"""logged-by-rule: a rule of the kernel's firewall logged packets to this capture.

Looks at: captures of an NFLOG group (`tcpdump -i nflog:5`): prefix, hook and interfaces stand before each packet.
Says: which prefix, at which hook, from which interface to which, how many packets. The prefix names the rule.
Wrong when: two rules have one prefix. That a rule logs a packet does not say that the next one drops it.
Fix: none is needed. If the packets should pass, look at the rules behind the one that logs them.
Verify: `nft list ruleset | grep log`, `iptables-save | grep NFLOG`; `ip link` numbers the interfaces.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.payload import LogRule
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text, finding_name

NAME = finding_name(__name__)
LEVELS = ("info",)
SCENARIO = None  # no scenario has a rule that logs
WITNESS = "tests/made/sll2.pcap"  # another link type that names interfaces
EXPLAINS = ()
READS = ("log_rules",)

PAGE_ZH = """内核防火墙的一条规则把包记录到了这次抓包。

检查：NFLOG 组的抓包（`tcpdump -i nflog:5`）：每个包之前有前缀、hook 和接口。
结论：哪个前缀，在哪个 hook，从哪个接口到哪个接口，多少个包。前缀说明是哪条规则。
误判：两条规则用同一前缀。规则记录了一个包，并不说明下一条规则丢弃它。
处理：无需处理。如果这些包应当通过，检查记录它们的规则之后的规则。
验证：`nft list ruleset | grep log`、`iptables-save | grep NFLOG`；`ip link` 显示接口的编号。
"""

SAYS = Text(
    en="{packets:packet} logged by {rule}{hook}{indev}{outdev}", zh="{rule}记录了 {packets} 个包{hook}{indev}{outdev}"
)
WITH_PREFIX = Text(en='the rule with prefix "{prefix}"', zh="前缀为“{prefix}”的规则")
WITHOUT_PREFIX = Text(en="a rule without a prefix", zh="没有前缀的规则")
AT_HOOK = Text(en=" at {hook}", zh="（{hook}）")
FROM_INTERFACE = Text(en=", from interface {index}", zh="，来自接口 {index}")
TO_INTERFACE = Text(en=", to interface {index}", zh="，发往接口 {index}")

HOOKS = ("PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING", "INGRESS")  # NF_INET_ of the kernel, from 0 on


def diagnose(context: Context) -> list[Finding]:
    return [
        Finding(
            NAME,
            "info",
            SAYS.fill(
                packets=rule.packets,
                rule=WITH_PREFIX.fill(prefix=prefix) if (prefix := rule.prefix.strip()) else WITHOUT_PREFIX.fill(),
                hook=AT_HOOK.fill(hook=hook) if (hook := _hook(rule)) else "",
                indev=FROM_INTERFACE.fill(index=rule.indev) if rule.indev >= 0 else "",
                outdev=TO_INTERFACE.fill(index=rule.outdev) if rule.outdev >= 0 else "",
            ),
            None,
            {
                "prefix": prefix, "hook": hook, "indev": _index(rule.indev), "outdev": _index(rule.outdev),
                "packets": rule.packets,
            },
            [context.evidence(rule.point, rule.first_frame)],
        )
        for rule in context.log_rules
    ]  # fmt: skip


def rule_words(rule: LogRule) -> str:
    """`prefix "DROP 8080" at FORWARD, from interface 2, to interface 3`: what the header of one packet says."""
    prefix = f'prefix "{rule.prefix.strip()}"' if rule.prefix.strip() else "no prefix"
    hook = f" at {_hook(rule)}" if _hook(rule) else ""
    ways = ((rule.indev, ", from interface"), (rule.outdev, ", to interface"))
    return prefix + hook + "".join(f"{words} {index}" for index, words in ways if index >= 0)


def _hook(rule: LogRule) -> str:
    if rule.hook < 0:
        return ""
    return HOOKS[rule.hook] if rule.hook < len(HOOKS) else f"hook {rule.hook}"


def _index(value: int) -> int | None:
    return value if value >= 0 else None
