"""answer-from-other-address: a server answers UDP from another address than the one that was asked.

Looks at: ICMP "port unreachable" with which a client refuses a datagram that comes from the port it asked, but from
another address, while its question to the address it asked has no answer (`facts.nat.refused_answers`). A question to
a group (LLMNR, mDNS, SSDP) is answered from other addresses by design. Where the question was translated on its way,
and the answer was not, it is `answer-not-translated`.
Says: whom the client asked, from where the answer came, and how often it was refused.
Wrong when: two servers are asked from the same port and one of them answers late.
Fix: let the server listen on the address that is asked, not on 0.0.0.0: the kernel answers from the address of the
interface that it sends from.
Verify: `ss -lun` in the server's network namespace shows the address that it listens on.
"""

from __future__ import annotations

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.icmp_errors import first_evidence
from capnet.analysis.facts.nat.refused_answers import RefusedAnswer, refused_answers

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = "fault answer-from-other-address"
WITNESS = "pcaps/bridge-user-defined.pcapng"  # a name server whose answers come from another port, translated back
EXPLAINS = ("dns-failure",)

PAGE_ZH = """服务器用另一个地址应答 UDP，而不是被请求的地址。

检查：客户端用 ICMP “port unreachable” 拒绝数据报，该数据报来自它所请求的端口，但来自另一个地址；而它对原地址的请求
没有应答（`facts.nat.refused_answers`）。对组地址的请求（LLMNR、mDNS、SSDP）本来就由其他地址应答。如果请求在途中
经过了地址转换而应答没有，见 `answer-not-translated`。
结论：客户端请求了谁，应答来自哪里，被拒绝多少次。
误判：从同一端口请求了两台服务器，其中一台应答较晚。
处理：让服务器监听被请求的地址，而不是 0.0.0.0：内核用发送接口的地址应答。
验证：在服务器的网络命名空间中 `ss -lun` 显示它监听的地址。
"""

SAYS = Text(
    en="{clients} asked {asked}:{port}, and the answer came from {answered}: refused as 'port unreachable', "
    "{count:time}",
    zh="{clients} 请求 {asked}:{port}，而应答来自 {answered}：被客户端以“port unreachable”拒绝 {count} 次",
)
FIX = Text(
    en="let the server listen on {asked} instead of 0.0.0.0, so that it answers from the address that is asked",
    zh="让服务器监听 {asked}，而不是 0.0.0.0，使它用被请求的地址应答",
)


def diagnose(context: Context) -> list[Finding]:
    return [_finding(refused) for refused in refused_answers(context) if not refused.is_translated]


def _finding(of: RefusedAnswer) -> Finding:
    return Finding(
        NAME,
        "error",
        SAYS.fill(clients=several(of.clients), asked=of.asked, port=of.port, answered=of.answered, count=of.refusals),
        FIX.fill(asked=of.asked),
        {
            "asked": of.asked, "port": of.port, "answered_from": of.answered, "clients": of.clients[:MAX_EVIDENCE],
            "refused": of.refusals,
        },
        first_evidence(of.errors),
    )  # fmt: skip
