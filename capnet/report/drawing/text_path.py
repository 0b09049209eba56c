"""Draws paths as text: every point that a flow or a packet passed, one below the other, and what changed between them.

      ● A/ens33        B:37218 → A:8080      TTL 64   7 packets
      │ DNAT · routed  +3.2 µs · destination A:8080 → web:80
      ● A/docker0      B:37218 → web:80      TTL 63   7 packets

Strings from captures pass `escape.visible_all` first. `routes` draws a path on one line, for a table of many.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from capnet import language
from capnet.analysis.core.contract.document import Document
from capnet.analysis.core.wording import Text
from capnet.report.drawing.routes import carried, compared, packets, sampled, signed
from capnet.report.escape import visible, visible_all
from capnet.report.fate_words import answers, fails, outcome
from capnet.report.text import columns, count, delay, duration, fill, number, padded, size
from capnet.report.words import ARROW, Words

WIDTH = 100
POINT_MARK, LINE_MARK, DELIVERED_MARK, LOST_MARK, UNKNOWN_MARK, ANSWER_MARK = "●│◆✗?←"
MAX_POINT_WIDTH = 30  # columns that points get; longer names move what follows them
MAX_CHANGE_WIDTH = 20  # columns; longer changes have a line of their own
MIN_FLOW_WIDTH = 20  # columns
RIGHT_WIDTH = 33  # columns of mark, gaps, TTL and packets
MARGIN = "  "
NO_ANSWER = Text(en="back: nothing was seen", zh="返回：没有看到包")
MORE_FLOWS = Text(en="… and {flows}; --most {total} shows all", zh="…… 另有 {flows}；--most {total} 显示全部")
_THERE, _BACK = Text(en="there", zh="去程"), Text(en="back", zh="返回")
_PIECE = Text(en="{name}, piece {piece} of {all}", zh="{name}，第 {piece} 段，共 {all} 段")
_SOURCE, _DESTINATION = Text(en="source", zh="源"), Text(en="destination", zh="目的")


def render_flows(
    document: Document,
    conversations: Sequence[tuple[Sequence[Document], Sequence[Document]]],
    total: int,
    asked: str,
    width: int = WIDTH,
) -> str:
    """Conversations hop by hop. Each is (paths there, paths back), in the document's form; `total`: how many match.

    `asked`: the expression that selected them; empty if none was given.
    """
    safe = visible_all(document)
    words = Words.of(safe)
    shown = visible_all(conversations)
    files = ", ".join(file["file"] for file in safe["inputs"])
    title = [files, visible(asked), count(total, "flow"), compared(safe) if sampled(safe) else ""]
    lines = fill(" · ".join(part for part in title if part), width)
    lines += legend_lines(words, (path for directions in shown for paths in directions for path in paths), width)
    for index, (forward, reverse) in enumerate(shown, start=1):
        place = (
            Text(en="{index} of {total} · ", zh="{index}/{total} · ").fill(index=index, total=total)
            if total > 1
            else ""
        )
        path = forward[0] if forward else reverse[0]
        head = f"{place}{path['proto']} {words.flow(path['flow'], path['hops'][0]['point'])}"
        lines += ["", *fill(head, width)]
        for name, paths in ((_THERE.fill(), forward), (_BACK.fill(), reverse)):
            for piece, path in enumerate(paths, start=1):
                direction = _PIECE.fill(name=name, piece=piece, all=len(paths)) if len(paths) > 1 else name
                lines += ["", *_path(direction, path, words, width)]
        if not reverse:
            lines += ["", NO_ANSWER.fill()]
    if total > len(shown):
        lines += ["", MORE_FLOWS.fill(flows=count(total - len(shown), "more flow"), total=total)]
    return "\n".join(lines) + "\n"


def _path(direction: str, path: Document, words: Words, width: int) -> list[str]:
    """One path: what it carried, its points on one line, and hop by hop."""
    hops = path["hops"]
    parts = [count(packets(path), "packet"), size(max(hop["bytes"] for hop in hops))]
    delays = [hop["delta_us"]["median"] for hop in hops if hop["delta_us"]]
    if len(hops) > 1 and not path.get("failing"):
        parts.append(outcome(path, words))
    if len(hops) > 1 and len(delays) == len(hops) - 1:
        lasted = Text(en="about {delay} from {first} to {last}", zh="从 {first} 到 {last} 约 {delay}")
        parts.append(lasted.fill(delay=duration(sum(delays)), first=hops[0]["point"], last=hops[-1]["point"]))
    if path.get("failing") or (len(hops) == 1 and fails(path)):
        parts.append(outcome(path, words))
    elif len(hops) == 1:
        parts.append(Text(en="seen at one point only", zh="只在一个抓包点看到").fill())
    head = Text(en="{direction}: {flow}, {parts}", zh="{direction}：{flow}，{parts}").fill(
        direction=direction,
        flow=words.flow(path["flow"], hops[0]["point"]),
        parts=language.pick(", ", "，").join(parts),
    )
    return [*fill(head, width), "", *_hops(path, words, width)]


def _hops(path: Document, words: Words, width: int) -> list[str]:
    hops = path["hops"]
    flows = [flow_inside(hop, words) for hop in hops]
    steps = [" · ".join(words.changes(before, hop, path["reply"])) for before, hop in pairwise(hops)]
    left = min(max(_left_widths(hops, steps)), MAX_POINT_WIDTH)
    middle = min(max(map(columns, flows)), max(width - left - RIGHT_WIDTH, MIN_FLOW_WIDTH))
    counts = [_ttl_and_packets(hop) for hop in hops]
    needed = columns(MARGIN) + 2 + left + 2 + max(map(columns, flows)) + 2 + max(map(columns, counts))
    lines = []
    for index, hop in enumerate(hops):
        before = hops[index - 1] if index else None
        if before is not None:
            lines += step_lines(steps[index - 1], _details(before, hop, words), left, width)
        point = padded(hop["point"], left)
        if needed <= width:
            lines += row_lines(POINT_MARK, (point, padded(flows[index], middle), counts[index]), width)
        else:  # all rows alike: those that would fit, too
            lines += row_lines(POINT_MARK, (point, flows[index]), width)
            lines += row_lines(LINE_MARK, (" " * left, counts[index]), width)
        if hop["smac"] and (before is None or (before["smac"], before["dmac"]) != (hop["smac"], hop["dmac"])):
            macs = f"{hop['smac']}{ARROW}{hop['dmac'] or '?'}"
            lines += row_lines(LINE_MARK, (" " * left, macs), width)
    return [*lines, *_end(path, words, width)]


def _ttl_and_packets(hop: Document) -> str:
    ttl = f"TTL {hop['ttl']}" if hop["ttl"] is not None else ""
    return f"{padded(ttl, 7)}  {count(hop['packets'], 'packet')}"


def _end(path: Document, words: Words, width: int) -> list[str]:
    """Where the path ends, and what answers; of a path at one point, only that it stops."""
    lines = []
    if len(path["hops"]) > 1 or fails(path):
        mark = LOST_MARK if fails(path) else DELIVERED_MARK if path["ends"] == "delivered" else UNKNOWN_MARK
        is_here = path["ends"].startswith("stops-at ")
        stopped = Text(en="stops here: due at {due}, not seen there", zh="止于此处：下一处应是 {due}，那里没有看到")
        text = stopped.fill(due=path["due"]) if is_here else outcome(path, words)
        lines += fill(f"{mark} {text}", width, MARGIN, MARGIN + "  ")
    for text in answers(path["answers"], words):
        lines += fill(f"{ANSWER_MARK} {text}", width, MARGIN, MARGIN + "  ")
    return lines


def _details(before: Document, hop: Document, words: Words) -> str:
    """What a line between two points says beside the change: the delay, what was rewritten, what was lost."""
    details = []
    if hop["delta_us"]:
        low, middle, high = (hop["delta_us"][key] for key in ("min", "median", "max"))
        spread = Text(en=" ({low} to {high})", zh="（{low} 到 {high}）").fill(low=delay(low), high=delay(high))
        details.append(signed(middle) + (spread if delay(low) != delay(high) else ""))
    details += _rewritten(before, hop, words)
    if hop["lost"]:
        details.append(Text(en="{number} lost", zh="丢失 {number} 个").fill(number=number(hop["lost"])))
    elif hop["lost"] is None:
        details.append(Text(en="loss cannot be told", zh="是否丢失无法判断").fill())
    return " · ".join(details)


def step_lines(change: str, detail: str, left: int, width: int) -> list[str]:
    """Lines between two points: the change, and behind it the detail, broken at spaces."""
    room = width - columns(MARGIN) - 2 - left - 2
    details = fill(detail, room) if detail else [""]
    if columns(change) > left:
        return [
            *fill(f"{LINE_MARK} {change}", width, MARGIN, f"{MARGIN}{LINE_MARK} "),
            *(f"{MARGIN}{LINE_MARK} {' ' * left}  {line}".rstrip() for line in details if line),
        ]
    first, *more = details
    return [
        f"{MARGIN}{LINE_MARK} {padded(change, left)}  {first}".rstrip(),
        *(f"{MARGIN}{LINE_MARK} {' ' * left}  {line}" for line in more),
    ]


def _rewritten(before: Document, hop: Document, words: Words) -> list[str]:
    changes = []
    for name, address, port in ((_SOURCE, "src", "sport"), (_DESTINATION, "dst", "dport")):
        if (before[address], before[port]) != (hop[address], hop[port]):
            ends = (words.endpoint(side[address], side[port], point=side["point"]) for side in (before, hop))
            changes.append(f"{name.fill()} {ARROW.join(ends)}")
    if before.get("id") != hop.get("id"):
        changes.append(f"ICMP id {before.get('id')}{ARROW}{hop.get('id')}")
    return changes


def flow_inside(hop: Document, words: Words) -> str:
    """The flow at a hop, and the tunnel or VLAN that it is in there."""
    return words.flow(hop) + carried(hop)


def _left_widths(hops: Sequence[Document], steps: Sequence[str]) -> Iterable[int]:
    """Widths that the left column should have: of points, and of changes unless they are long."""
    yield from (columns(hop["point"]) for hop in hops)
    yield from (width for step in steps if (width := columns(step)) <= MAX_CHANGE_WIDTH)


def row_lines(mark: str, cells: Sequence[str], width: int) -> list[str]:
    """A line of cells; what is too long for a line goes on below it."""
    line = f"{MARGIN}{mark} {'  '.join(cells)}".rstrip()
    if columns(line) <= width:
        return [line]
    text = "  ".join(cell.strip() for cell in cells if cell.strip())
    return fill(f"{mark} {text}", width, MARGIN, f"{MARGIN}{LINE_MARK}   ")


def legend_lines(words: Words, paths: Iterable[Document], width: int) -> list[str]:
    """`Names  web 172.17.0.2 · …` of the addresses on these paths; [] if none has a name."""
    legend = words.legend(hop[end] for path in paths for hop in path["hops"] for end in ("src", "dst"))
    if not legend:
        return []
    return fill(padded(language.term("Names"), 7) + " · ".join(map(" ".join, legend)), width, hanging=" " * 7)
