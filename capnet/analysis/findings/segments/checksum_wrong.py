"""checksum-wrong: segments come in with a wrong TCP checksum, and their sender has to repeat them.

Looks at: TCP outside of tunnels, in a sample of the frames (`aggregate.payload.tunnel_checksums`): segments whose
checksum is wrong, in flows of which twice as many have a right one, and that are sent again at the same point: as many
as are wrong, and the first of them itself. Not checksums that a card has yet to fill in (`checksum-offload`), nor
packets of more than 1500 bytes, which cards join.
Says: how many of whose segments are damaged at which point, and at which earlier point they are not. An error if such a
point was captured, else a warning.
Wrong when: the capture itself was damaged, and other packets were lost.
Fix: look for what changes packets on their way there: a cable, a card, its driver or offload, a virtual switch.
Verify: `nstat -az TcpInCsumErrors` on the receiver rises; `ethtool -S CARD | grep -Ei 'crc|err'` on both sides.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, source
from capnet.analysis.core.results import Finding
from capnet.analysis.core.wording import Text, endpoint_text, finding_name
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.overlay.checksums import FlowChecksums, plain_checksums
from capnet.analysis.facts.transport.tcp_connections import ahead, segments

NAME = finding_name(__name__)
LEVELS = ("error", "warning")
SCENARIO = None  # no kernel damages packets on purpose
WITNESS = "pcaps/bridge.pcapng"  # checksums that are not filled in, on virtual links
EXPLAINS = ("packet-loss", "retransmissions", "sequence-gap")

PAGE_ZH = """到来的分段 TCP 校验和错误，发送者不得不重发。

检查：隧道之外的 TCP，在抽样的帧中（`aggregate.payload.tunnel_checksums`）：校验和错误的分段，其所在的流中正确的有两倍
之多，并且在同一抓包点上有重发：重发的不少于错误的，且第一个错误的分段本身也被重发。不包括网卡尚未填写的校验和（
`checksum-offload`），也不包括超过 1500 字节、由网卡合并的包。
结论：在哪个抓包点上谁的多少个分段已损坏，在哪个更早的抓包点上它们没有损坏。如果抓到了这样的点则为错误，否则为警告。
误判：抓包文件本身已损坏，而同时丢了别的包。
处理：查找途中是什么改动了包：网线、网卡、其驱动或卸载功能、虚拟交换机。
验证：接收方的 `nstat -az TcpInCsumErrors` 增加；两侧执行 `ethtool -S CARD | grep -Ei 'crc|err'`。
"""

SAYS = Text(
    en="{wrong} of {examined:segment} from {client} to {server} have a wrong TCP checksum at {point}{before}: the "
    "receiver drops them, and they are sent again",
    zh="从 {client} 到 {server} 的 {examined} 个分段中有 {wrong} 个在 {point} 的 TCP 校验和错误{before}：接收方丢弃"
    "它们，只能重发",
)
BEFORE = Text(
    en=", and a right one at {point}: they are damaged in between", zh="，而在 {point} 是正确的：它们在途中损坏"
)
FIX = Text(
    en="look for what changes packets on their way to {point}: cable and card (`ethtool -S CARD | grep -Ei "
    "'crc|err'`), its driver or offload (`ethtool -K CARD rx off tx off` to try), a virtual switch, faulty memory",
    zh="查找到 {point} 的途中是什么改动了包：网线和网卡（`ethtool -S CARD | grep -Ei 'crc|err'`）、其驱动或卸载（"
    "可试 `ethtool -K CARD rx off tx off`）、虚拟交换机、有故障的内存",
)

MIN_WRONG = 2  # a single one may be a damaged file
MIN_RIGHT = 2  # for each wrong one: a connection that loses more gets nowhere, an edited file has more
MAX_FINDINGS = 20


def diagnose(context: Context) -> list[Finding]:
    checksums = plain_checksums(context)
    verdicts = checksums.verdicts(schema.CHECKSUM_INNER)
    wrong, right = verdicts[:, schema.WRONG], verdicts[:, schema.RIGHT]
    is_repeated = context.flows[checksums.rows, schema.FLOW_RETRANSMISSIONS] >= wrong
    damaged = set(checksums.rows[(wrong >= MIN_WRONG) & (right >= MIN_RIGHT * wrong) & is_repeated].tolist())
    numbers = {row: number for number, row in enumerate(checksums.rows.tolist())} if damaged else {}
    first = [row for row in sorted(damaged) if _earlier(context, row) not in damaged]
    frames = {row: int(checksums.counts[numbers[row], schema.CHECKSUM_INNER_FRAME]) for row in first[:MAX_FINDINGS]}
    return [_finding(context, checksums, numbers, row) for row in frames if _comes_again(context, row, frames[row])]


def _comes_again(context: Context, row: int, frame: int) -> bool:
    """Are octets of the segment in this frame sent again? What the receiver took is not: its checksum did no harm."""
    passed = [segment for segment in segments(context, row) if not segment.is_reply]
    wrong = next((segment for segment in passed if segment.frame == frame), None)
    return wrong is None or any(
        segment.time > wrong.time and ahead(segment.seq, wrong.end) < 0 < ahead(segment.end, wrong.seq)
        for segment in passed
    )


def _earlier(context: Context, row: int) -> int:
    """The flow row of the hop before, -1 if there is none."""
    link = int(flow_links(context).before[row])
    return int(flow_links(context).source[link]) if link >= 0 else -1


def _finding(context: Context, checksums: FlowChecksums, numbers: dict[int, int], row: int) -> Finding:
    """`numbers`: of the entry of each flow row."""
    verdicts, number = checksums.verdicts(schema.CHECKSUM_INNER), numbers[row]
    flow, earlier = context.flows[row], _earlier(context, row)
    is_whole = earlier in numbers and not verdicts[numbers[earlier], schema.WRONG]
    before = context.points[int(context.flows[earlier, schema.FLOW_POINT])].name if is_whole else None
    point = context.points[int(flow[schema.FLOW_POINT])].name
    client = endpoint_text(source(flow), int(flow[schema.FLOW_SPORT]))
    server = endpoint_text(destination(flow), int(flow[schema.FLOW_DPORT]))
    wrong, examined = int(verdicts[number, schema.WRONG]), int(verdicts[number].sum())
    frame = context.evidence(int(flow[schema.FLOW_POINT]), int(checksums.counts[number, schema.CHECKSUM_INNER_FRAME]))
    return Finding(
        NAME,
        "error" if before else "warning",
        SAYS.fill(
            wrong=wrong, examined=examined, client=client, server=server, point=point,
            before=BEFORE.fill(point=before) if before else "",
        ),
        FIX.fill(point=point),
        {"source": client, "destination": server, "point": point, "before": before, "wrong": wrong,
         "examined": examined},
        sorted({frame, *context.first_frames([row])}),
    )  # fmt: skip
