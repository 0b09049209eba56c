"""sctp-refused: a server answers an SCTP INIT with ABORT, or says that it has no SCTP.

Looks at: INITs that the same point shows answered by ABORT and never by INIT ACK (RFC 9260 section 8.4 has a host
abort what no program listens for), and ICMP that the server itself sends about SCTP: "protocol
unreachable" (IPv4 3/2), "unrecognized next header" (IPv6 4/1).
Says: which address refused which port, what is translated to it, and whether it accepted an association later; or that
its kernel does not know SCTP.
Wrong when: the INIT ACK passed outside the capture.
Fix: start the server, or ask for the port that it listens on; load the module `sctp` where the kernel lacks it: a
container uses its host's.
Verify: `ss -l --sctp` in the server's network namespace; `lsmod | grep sctp` on its host.
"""

from __future__ import annotations

from itertools import groupby

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.facts.icmp_errors import IcmpError, first_evidence, icmp_errors
from capnet.analysis.facts.outcomes.associations import Association, associations
from capnet.analysis.fate.next_points import chain_of
from capnet.wire.addresses import address_value
from capnet.wire.numbers import (
    ICMP_PROTOCOL_UNREACHABLE,
    ICMP_UNREACHABLE,
    ICMPV6_PARAMETER_PROBLEM,
    ICMPV6_UNKNOWN_NEXT_HEADER,
    SCTP,
)

NAME = finding_name(__name__)
LEVELS = ("warning", "info")
SCENARIO = None  # few kernels load SCTP by themselves
WITNESS = "tests/analysis/findings/sctp/recorded/accepted.pcapng"  # an association that is accepted
EXPLAINS = ()

PAGE_ZH = """服务器用 ABORT 应答 SCTP 的 INIT，或告知它没有 SCTP。

检查：同一抓包点上有 ABORT 应答而从没有 INIT ACK 的 INIT（RFC 9260 第 8.4 节：没有程序监听时主机发送 ABORT），以及服务
器自己发送的、关于 SCTP 的 ICMP：“protocol unreachable”（IPv4 3/2）、“unrecognized next header”（IPv6 4/1）。
结论：哪个地址拒绝了哪个端口，什么被转换到它，后来是否接受了偶联；或者它的内核没有 SCTP。
误判：INIT ACK 没有经过抓包点。
处理：启动服务器，或访问它所监听的端口；内核没有 SCTP 时加载模块 `sctp`：容器使用其主机的模块。
验证：在服务器的网络命名空间中 `ss -l --sctp`；在其主机上 `lsmod | grep sctp`。
"""

SAYS = Text(
    en="{address} refused SCTP associations (ABORT) to port {port}{more}",
    zh="{address} 拒绝了（ABORT）到端口 {port} 的 SCTP 偶联{more}",
)
FOR = Text(en=", to which {services} is translated", zh="（由 {services} 转换而来）")
LATER = Text(en="; it accepted later ones: the server was starting", zh="；后来的偶联被接受了：服务器当时正在启动")
FIX = Text(
    en="start the server, or ask for the port it really listens on (`ss -l --sctp`)",
    zh="启动服务器，或访问它实际监听的端口（`ss -l --sctp`）",
)
LACKS = Text(
    en="{address} has no SCTP: it answered {packets:packet} of {clients} with ICMP errors (unknown protocol)",
    zh="{address} 没有 SCTP：它用 ICMP 错误（未知协议）应答了 {clients} 的 {packets} 个包",
)
FIX_LACKS = Text(
    en="load SCTP into the kernel of {address}: `modprobe sctp` on the host, also for its containers",
    zh="在 {address} 的内核中加载 SCTP：在主机上 `modprobe sctp`，其容器也使用它",
)


def diagnose(context: Context) -> list[Finding]:
    return [*_aborted(context), *_without_sctp(context)]


def _aborted(context: Context) -> list[Finding]:
    by_server: dict[tuple[str, int], list[Association]] = {}
    for refused in _last_refusals(context):
        server = destination(context.flows[refused.row]), refused.asked.dport
        by_server.setdefault(server, []).append(refused)
    order = sorted(by_server, key=lambda server: (address_value(server[0]), server[1]))
    return [_refused(context, *server, by_server[server]) for server in order]


def _last_refusals(context: Context) -> list[Association]:
    """Of each chain of flows the refusal that is nearest to the server: DNAT may have come before it."""
    chain = chain_of(context)
    refused = {int(chain[of.row]): of for of in sorted(associations(context), key=_time_of_init) if of.is_refused}
    return list(refused.values())


def _time_of_init(of: Association) -> int:
    return of.asked.first


def _refused(context: Context, address: str, port: int, refused: list[Association]) -> Finding:
    flows, chain = context.flows, chain_of(context)
    first_rows = sorted({int(chain[of.row]) for of in refused})
    asked_as = {(destination(flows[row]), int(flows[row, schema.FLOW_DPORT])) for row in first_rows} - {(address, port)}
    services = sorted(endpoint_text(*service) for service in asked_as)
    last = max(of.asked.last for of in refused)
    is_later = any(
        of.accepted is not None and of.accepted.first > last
        for of in associations(context)
        if of.asked.dport == port and destination(flows[of.row]) == address
    )
    more = (FOR.fill(services=several(services)) if services else "") + (LATER.fill() if is_later else "")
    aborts = [of.aborted for of in refused if of.aborted is not None]
    return Finding(
        NAME,
        "info" if is_later else "warning",
        SAYS.fill(address=address, port=port, more=more),
        FIX.fill(),
        {"address": address, "port": port, "associations": len(first_rows), "services": services[:MAX_EVIDENCE]},
        sorted({context.evidence(abort.point, abort.first_frame) for abort in aborts})[:MAX_EVIDENCE],
    )


def _without_sctp(context: Context) -> list[Finding]:
    errors = sorted((error for error in icmp_errors(context) if _says_no_sctp(error)), key=_sender)
    return [_lacks(sender, list(group)) for (_, sender), group in groupby(errors, key=_sender)]


def _says_no_sctp(error: IcmpError) -> bool:
    unknown = ICMP_UNREACHABLE, ICMP_PROTOCOL_UNREACHABLE
    if error.is_v6:
        unknown = ICMPV6_PARAMETER_PROBLEM, ICMPV6_UNKNOWN_NEXT_HEADER
    is_its = error.quoted.proto == SCTP and error.sender == error.quoted.dst
    return is_its and (error.type, error.code) == unknown


def _sender(error: IcmpError) -> tuple[tuple[int, int], str]:
    return address_value(error.sender), error.sender


def _lacks(sender: str, errors: list[IcmpError]) -> Finding:
    packets = sum(error.packets for error in errors)
    clients = sorted({error.receiver for error in errors}, key=address_value)
    return Finding(
        NAME,
        "warning",
        LACKS.fill(address=sender, packets=packets, clients=several(clients)),
        FIX_LACKS.fill(address=sender),
        {"address": sender, "clients": clients[:MAX_EVIDENCE], "messages": packets},
        first_evidence(errors),
    )
