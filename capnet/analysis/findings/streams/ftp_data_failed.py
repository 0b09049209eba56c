"""ftp-data-failed: the control connection of FTP works, and the data connections that it names do not.

Looks at: what 227 and 229 replies (passive mode) and the commands PORT and EPRT (active mode) name, and the connections
that follow to that port within 10 s: refused, or SYNs that nothing answers. All of a server's data connections in this
mode must fail.
Says: who tells whom to connect to which address and ports, how many connections, and what became of them. The address
may be another one than the client asks, as of a server behind a published port or a router; or it is right, and the
ports are not published.
Wrong when: the server closed the port before the client came.
Fix: let the server name the address that its clients ask, and publish its passive ports as well; in active mode, let
the client use passive mode.
Verify: `curl -v --disable-epsv ftp://SERVER/` prints the 227 reply; `docker port NAME` shows what is published.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination
from capnet.analysis.core.payload import FtpOpening
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.facts.streams.attempts import ACCEPTED, REFUSED, attempts_by_client, outcome
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value

NAME = finding_name(__name__)
LEVELS = ("warning",)
SCENARIO = None  # no scenario has a server of FTP
WITNESS = "pcaps/bridge.pcapng"  # without FTP
EXPLAINS = ("connection-refused", "connection-unanswered", "retransmissions", "stops-between")
READS = ("ftp_openings",)

PAGE_ZH = """FTP 的控制连接正常，而它指定的数据连接失败。

检查：227 和 229 应答（被动模式）以及 PORT 和 EPRT 命令（主动模式）所指定的地址和端口，以及 10 秒内随后到该端口的连接：
被拒绝，或 SYN 无应答。一台服务器在该模式下的所有数据连接都必须失败。
结论：谁让谁连接到哪个地址和端口，有多少个连接，结果如何。该地址可能不是客户端所访问的地址，例如服务器在端口映射或路由
器后面；或者地址正确，而端口没有发布。
误判：服务器在客户端连接之前关闭了端口。
处理：让服务器给出客户端所访问的地址，并同时发布其被动端口；在主动模式下，让客户端使用被动模式。
验证：`curl -v --disable-epsv ftp://SERVER/` 会显示 227 应答；`docker port NAME` 显示发布了什么。
"""

ADDRESS = Text(
    en="FTP: {server} tells {clients} to open {count:data connection} to {address}, which is not the address that they "
    "ask; {outcome}, while the control connection works",
    zh="FTP：{server} 让 {clients} 向 {address} 打开 {count} 个数据连接，而它们访问的不是这个地址；{outcome}，"
    "而控制连接正常",
)
PORTS = Text(
    en="FTP: {server} tells {clients} to open {count:data connection} to its {ports}; {outcome}, while the "
    "control connection works",
    zh="FTP：{server} 让 {clients} 向它的{ports}打开 {count} 个数据连接；{outcome}，而控制连接正常",
)
ACTIVE = Text(
    en="FTP: {clients} asked {server} to open {count:data connection} to {address} (active mode); "
    "{outcome}, while the control connection works",
    zh="FTP：{clients} 让 {server} 向 {address} 打开 {count} 个数据连接（主动模式）；{outcome}，而控制连接正常",
)
PORT = Text(en="port {ports}", zh="端口 {ports} ")
SEVERAL_PORTS = Text(en="ports {ports}", zh="端口 {ports} ")
UNANSWERED = Text(en="nothing answers there", zh="那里没有应答")
REFUSED_EACH = Text(en="each is refused", zh="每一个都被拒绝")
BOTH = Text(en="some are refused, and the others get no answer", zh="有的被拒绝，其余的没有应答")
FIX_ADDRESS = Text(
    en="let the server name {asked}, the address that its clients ask (vsftpd pasv_address, ProFTPD MasqueradeAddress, "
    "Pure-FTPd -P), and publish its passive ports as well",
    zh="让服务器给出 {asked}，即客户端所访问的地址（vsftpd 的 pasv_address、ProFTPD 的 MasqueradeAddress、Pure-FTPd 的 "
    "-P），并同时发布其被动端口",
)
FIX_PORTS = Text(
    en="publish the passive ports as well, with the same numbers, and keep them few (vsftpd pasv_min_port and "
    "pasv_max_port, then `-p 40000-40009:40000-40009`); a firewall must let them pass, or track FTP (nf_conntrack_ftp)",
    zh="同时以相同的端口号发布被动端口，并限制其范围（vsftpd 的 pasv_min_port 和 pasv_max_port，再用 `-p "
    "40000-40009:40000-40009`）；防火墙必须放行它们，或跟踪 FTP（nf_conntrack_ftp）",
)
FIX_ACTIVE = Text(
    en="let the clients use passive mode: a server cannot connect to a client behind NAT or a firewall that does not "
    "track FTP (nf_conntrack_ftp)",
    zh="让客户端使用被动模式：服务器无法连接到在 NAT 或不跟踪 FTP（nf_conntrack_ftp）的防火墙后面的客户端",
)

MAX_DELAY_NS = 10_000_000_000  # from the message to the connection: clients connect at once


class _Attempt(NamedTuple):
    """A data connection that follows a message."""

    opening: FtpOpening
    row: int
    outcome: str  # of `attempts`


def diagnose(context: Context) -> list[Finding]:
    by_server: dict[tuple[tuple[int, int], int, bool], list[_Attempt]] = {}
    for attempt in _attempts(context):
        of = attempt.opening
        by_server.setdefault((address_value(of.server), of.control_port, of.is_passive), []).append(attempt)
    findings = []
    for _, attempts in sorted(by_server.items()):
        outcomes = {attempt.outcome for attempt in attempts} - {""}
        if outcomes and ACCEPTED not in outcomes:
            failed = [attempt for attempt in attempts if attempt.outcome]
            elsewhere = [attempt for attempt in failed if _is_elsewhere(context, attempt)]
            at_server = [attempt for attempt in failed if not _is_elsewhere(context, attempt)]
            findings += [_finding(context, group) for group in (elsewhere, at_server) if group]
    return findings


def _attempts(context: Context) -> list[_Attempt]:
    openings = context.ftp_openings
    by_client = attempts_by_client(context, {opening.port for opening in openings})
    attempts: dict[int, _Attempt] = {}
    for opening in openings:
        client = opening.client if opening.is_passive else opening.server
        for row in by_client.get((opening.point, client, opening.port), ()):
            if row not in attempts and _follows(context, opening, row):
                attempts[row] = _Attempt(opening, row, outcome(context, row))
                break
    return list(attempts.values())


def _follows(context: Context, opening: FtpOpening, row: int) -> bool:
    """Is a flow the data connection that a message asks for?"""
    flow = context.flows[row]
    if not 0 <= flow[schema.FLOW_FIRST] - opening.time <= MAX_DELAY_NS:
        return False
    return destination(flow) in ((opening.address, opening.server) if opening.is_passive else (opening.address,))


def _is_elsewhere(context: Context, attempt: _Attempt) -> bool:
    """Does the client of passive mode connect to another address than its control connection does?"""
    return attempt.opening.is_passive and destination(context.flows[attempt.row]) != attempt.opening.server


def _finding(context: Context, attempts: list[_Attempt]) -> Finding:
    first, flows = attempts[0].opening, context.flows
    clients = sorted({attempt.opening.client for attempt in attempts}, key=address_value)
    asked = sorted({destination(flows[attempt.row]) for attempt in attempts}, key=address_value)
    ports = sorted({attempt.opening.port for attempt in attempts})
    is_elsewhere = _is_elsewhere(context, attempts[0])
    says, fix = (
        (ADDRESS, FIX_ADDRESS) if is_elsewhere else (PORTS, FIX_PORTS) if first.is_passive else (ACTIVE, FIX_ACTIVE)
    )
    outcomes = {attempt.outcome for attempt in attempts}
    numbers = (SEVERAL_PORTS if ports[1:] else PORT).fill(ports=several([str(port) for port in ports]))
    return Finding(
        NAME,
        "warning",
        says.fill(
            server=endpoint_text(first.server, first.control_port), clients=several(clients), count=len(attempts),
            address=several(asked), ports=numbers,
            outcome=(BOTH if len(outcomes) > 1 else REFUSED_EACH if REFUSED in outcomes else UNANSWERED).fill(),
        ),
        fix.fill(asked=first.server),
        {
            "server": first.server, "port": first.control_port, "clients": clients[:MAX_EVIDENCE],
            "mode": "passive" if first.is_passive else "active", "address": asked[0], "ports": ports[:MAX_EVIDENCE],
            "connections": len(attempts), "outcomes": sorted(outcomes),
        },
        [frame for attempt in attempts for frame in _frames(context, attempt)],
    )  # fmt: skip


def _frames(context: Context, attempt: _Attempt) -> list[Evidence]:
    """The message, and the connection that follows."""
    opening = attempt.opening
    return [context.evidence(opening.point, opening.frame), context.first_frame(attempt.row)]
