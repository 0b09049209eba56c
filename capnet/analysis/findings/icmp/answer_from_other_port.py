"""answer-from-other-port: a server answers UDP from a new port, and NAT does not know where these answers belong.

Looks at: ICMP "port unreachable" with which a host refuses a datagram that comes from the server it asked, to the port
it asked from, but from another port of the server than it asked, soon after a question that has no answer. TFTP answers
so (RFC 1350 section 4). Not where the host asked that other port itself, from the same port. An error where the
question was translated to that host's address on its way: NAT takes back only what comes from the port that was asked.
Says: who asked, from which ports the answers came, who refused them and how often.
Wrong when: the server asks something itself, of a program that has just ended.
Fix: TFTP needs a helper on the host that translates: the modules nf_conntrack_tftp and nf_nat_tftp, and a rule that
assigns it (`-j CT --helper tftp`); or the client on the host's own network. Other programs: let the server answer from
the port that was asked.
Verify: `conntrack -L expect` on that host names the client after the next question.
"""

from __future__ import annotations

from collections.abc import Iterator

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, is_to_group, ports, replies, source
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name, several
from capnet.analysis.facts.icmp_errors import IcmpError, first_evidence
from capnet.analysis.facts.nat.refused_answers import flows_of_refusing, refused_datagrams
from capnet.analysis.fate.next_points import chain_of
from capnet.quick_tuple import NamedTuple
from capnet.wire.addresses import address_value

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = "fault answer-from-other-port"
WITNESS = "pcaps/faults/answer-from-other-port.healthy.pcapng"  # the same answers, without a translation
EXPLAINS = ()

PAGE_ZH = """服务器从新的端口应答 UDP，而 NAT 不知道这些应答属于谁。

检查：主机用 ICMP “port unreachable” 拒绝数据报，该数据报来自它所请求的服务器，发往它请求时的端口，但来自服务器的另一个
端口，并且紧跟在没有应答的请求之后。TFTP 就是这样应答的（RFC 1350 第 4 节）。主机自己从同一端口请求
过那个端口时不算。如果请求在途中被转换为该主机的地址则为错
误：NAT 只接回来自被请求端口的包。
结论：谁请求，应答来自哪些端口，谁拒绝了它们，多少次。
误判：服务器自己在请求某个刚结束的程序。
处理：TFTP 在做转换的主机上需要 helper：模块 nf_conntrack_tftp 和 nf_nat_tftp，以及分配它的规则
（`-j CT --helper tftp`）；或让客户端使用主机自己的网络。其他程序：让服务器从被请求的端口应答。
验证：下次请求之后，该主机上 `conntrack -L expect` 列出该客户端。
"""

SAYS = Text(
    en="{clients} asked {service}, and the answers came from {ports:other port} of it: {host} refused "
    "{count:datagram} as 'port unreachable'{translated}",
    zh="{clients} 请求 {service}，而应答来自它的另外 {ports} 个端口：{host} 以“port unreachable”拒绝了 {count} "
    "个数据报{translated}",
)
TRANSLATED = Text(
    en="; it had translated the question, and takes back only what comes from port {port}",
    zh="；它转换了请求，只接回来自端口 {port} 的包",
)
FIX_TFTP = Text(
    en="TFTP needs a helper where NAT is: on {host} `modprobe nf_nat_tftp` and `iptables -t raw -A PREROUTING -p udp "
    "--dport {port} -j CT --helper tftp` (where the sysctl nf_conntrack_helper is 1, the module "
    "alone), or run the client with `--network host`",
    zh="做 NAT 的地方 TFTP 需要 helper：在 {host} 上 `modprobe nf_nat_tftp` 和 `iptables -t raw -A PREROUTING -p udp "
    "--dport {port} -j CT --helper tftp`（sysctl nf_conntrack_helper 为 1 时只需模块），或用 `--network host` "
    "运行客户端",
)
FIX = Text(
    en="let the server answer from port {port}, the one that is asked; or run the client where {host} does not "
    "translate (`--network host`)",
    zh="让服务器从被请求的端口 {port} 应答；或让客户端在 {host} 不做转换的地方运行（`--network host`）",
)

PORT_TFTP = 69
MIN_REFUSED = 2  # one alone may be about a client that has just ended
MAX_ANSWER_NS = 5_000_000_000  # after a question: TFTP servers answer at once, and clients ask again after 1 s to 5 s


class _Question(NamedTuple):
    """A UDP flow without an answer: its row, the port that was asked, when it began and ended."""

    row: int
    port: int
    first: int
    last: int


def diagnose(context: Context) -> list[Finding]:
    groups: dict[tuple[str, int, str], list[tuple[IcmpError, _Question]]] = {}
    for error, question in _refused(context):
        key = error.quoted.src, question.port, error.quoted.dst
        groups.setdefault(key, []).append((error, question))
    findings = (_finding(context, key, refused) for key, refused in sorted(groups.items()))
    return [finding for finding in findings if finding]


def _refused(context: Context) -> Iterator[tuple[IcmpError, _Question]]:
    """Refused datagrams, each with the question that it answers from another port."""
    questions, began = _questions(context), _beginnings(context)
    for error in refused_datagrams(context):
        quoted = error.quoted
        asked = questions.get((quoted.dst, quoted.dport, quoted.src), [])
        times = began.get((quoted.src, quoted.sport, quoted.dst, quoted.dport))
        if not times or (quoted.dst, quoted.dport, quoted.src, quoted.sport) in began:
            continue  # the host asked this very port itself, and got its answer late
        for question in asked:
            if any(question.first <= time <= question.last + MAX_ANSWER_NS for time in times):
                yield error, question
                break


def _questions(context: Context) -> dict[tuple[str, int, str], list[_Question]]:
    """Client, its port and the server → what it asked of one station without an answer, at any point."""
    flows, answers = context.flows, replies(context)
    questions: dict[tuple[str, int, str], list[_Question]] = {}
    rows = flows_of_refusing(context)
    for row in rows[answers[rows] < 0].tolist():
        flow = flows[row]
        sport, dport = ports(flow)
        if sport is not None and dport is not None and not is_to_group(flow):
            times = int(flow[schema.FLOW_FIRST]), int(flow[schema.FLOW_LAST])
            key = source(flow), sport, destination(flow)
            questions.setdefault(key, []).append(_Question(row, dport, *times))
    return questions


def _beginnings(context: Context) -> dict[tuple[str, int | None, str, int | None], list[int]]:
    """Source, its port, destination and its port → when these datagrams began, at each point that shows them."""
    flows = context.flows
    times: dict[tuple[str, int | None, str, int | None], list[int]] = {}
    for row in flows_of_refusing(context).tolist():
        flow = flows[row]
        (sport, dport), ends = ports(flow), (source(flow), destination(flow))
        times.setdefault((ends[0], sport, ends[1], dport), []).append(int(flow[schema.FLOW_FIRST]))
    return times


def _finding(context: Context, key: tuple[str, int, str], refused: list[tuple[IcmpError, _Question]]) -> Finding | None:
    (server, port, host), flows = key, context.flows
    count = sum(error.packets for error, _ in refused)
    if count < MIN_REFUSED:
        return None
    began = {source(flows[chain_of(context)[question.row]]) for _, question in refused}
    clients = sorted(began, key=address_value)
    answered = sorted({error.quoted.sport for error, _ in refused})
    is_translated = host not in began
    fix = FIX_TFTP if port == PORT_TFTP else FIX
    asked = [context.first_frame(question.row) for _, question in refused[: MAX_EVIDENCE // 2]]
    return Finding(
        NAME,
        "error" if is_translated else "warning",
        SAYS.fill(
            clients=several(clients), service=endpoint_text(server, port), ports=len(answered), host=host, count=count,
            translated=TRANSLATED.fill(port=port) if is_translated else "",
        ),
        fix.fill(host=host, port=port),
        {
            "server": server, "port": port, "host": host, "clients": clients[:MAX_EVIDENCE],
            "answered_from": answered[:MAX_EVIDENCE], "refused": count, "translated": is_translated,
        },
        sorted({*asked, *first_evidence(error for error, _ in refused)}),
    )  # fmt: skip
