"""answer-from-other-address: a server answers UDP from another address than the one that was asked.

Looks at: ICMP "port unreachable" with which a client refuses a datagram that comes from the port it asked, but from
another address, while its question to the address it asked has no answer. A question to a group (LLMNR, mDNS, SSDP)
is answered from other addresses by design.
Says: whom the client asked, from where the answer came, and how often it was refused.
Wrong when: two servers are asked from the same port and one of them answers late.
Fix: let the server listen on the address that is asked, not on 0.0.0.0: the kernel answers from the address of the
interface that it sends from.
Verify: `ss -lun` in the server's network namespace shows the address that it listens on.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, is_to_group, ports, replies, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, finding_name, several
from capnet.analysis.facts.icmp_errors import IcmpError, first_evidence, icmp_errors
from capnet.wire.addresses import address_value
from capnet.wire.numbers import UDP

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = "fault answer-from-other-address"
WITNESS = "pcaps/bridge-user-defined.pcapng"  # a name server whose answers come from another port, translated back
EXPLAINS = ("dns-failure",)

PAGE_ZH = """服务器用另一个地址应答 UDP，而不是被请求的地址。

检查：客户端用 ICMP “port unreachable” 拒绝数据报，该数据报来自它所请求的端口，但来自另一个地址；而它对原地址的请求
没有应答。对组地址的请求（LLMNR、mDNS、SSDP）本来就由其他地址应答。
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
    refused = [error for error in icmp_errors(context) if error.is_refused_datagram]
    if not refused:
        return []
    asked_from = _unanswered_questions(context)
    groups: dict[tuple[str, int, str], list[IcmpError]] = {}
    for error in refused:
        quoted = error.quoted
        for asked in sorted(asked_from.get((quoted.dst, quoted.dport, quoted.sport), ())):
            if asked != quoted.src:
                groups.setdefault((asked, quoted.sport, quoted.src), []).append(error)
    return [_finding(*key, errors) for key, errors in sorted(groups.items())]


def _unanswered_questions(context: Context) -> dict[tuple[str, int, int], set[str]]:
    """Client, its port and the server's port → servers that it asked by UDP without an answer."""
    flows = context.flows
    rows = np.flatnonzero((flows[:, schema.FLOW_PROTO] == UDP) & (replies(context) < 0))
    questions: dict[tuple[str, int, int], set[str]] = {}
    for row in rows.tolist():
        sport, dport = ports(flows[row])
        if sport is not None and dport is not None and not is_to_group(flows[row]):
            questions.setdefault((source(flows[row]), sport, dport), set()).add(destination(flows[row]))
    return questions


def _finding(asked: str, port: int, answered: str, errors: list[IcmpError]) -> Finding:
    clients = sorted({error.quoted.dst for error in errors}, key=address_value)
    count = sum(error.packets for error in errors)
    return Finding(
        NAME,
        "error",
        SAYS.fill(clients=several(clients), asked=asked, port=port, answered=answered, count=count),
        FIX.fill(asked=asked),
        {"asked": asked, "port": port, "answered_from": answered, "clients": clients[:MAX_EVIDENCE], "refused": count},
        first_evidence(errors),
    )
