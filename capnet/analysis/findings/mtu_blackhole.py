"""mtu-blackhole: large packets vanish between two points that small packets pass.

Looks at: the lengths of the packets of one flow that are missing at the next point, against those that arrived there.
Each missing packet must be larger than each that arrived, and there must be several of both. TCP counts where octets
are missing and were sent again, because offload cuts segments differently at each point.
Says: between which points, above which length, and whether ICMP "fragmentation needed" was seen (RFC 1191).
Wrong when: loss hit only large packets by chance; the more packets, the less likely.
Fix: lower the MTU of the sending interface, or raise that of the link between the points; let ICMP type 3 code 4 pass.
Verify: `nsenter -t PID -n ping -M do -s $((MTU-28)) HOST`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from capnet.analysis.core.arrays import is_among
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import source
from capnet.analysis.core.results import MAX_EVIDENCE, Evidence, Finding
from capnet.analysis.core.schema import (
    FLOW_KIND,
    FLOW_LARGEST_IP,
    FLOW_PAYLOAD,
    FLOW_POINT,
    FLOW_PROTO,
    FLOW_RETRANSMISSIONS,
    OBS_DIGEST,
    OBS_FLOW,
    OBS_FRAME,
    OBS_LENGTH,
    FlowMask,
    FlowTable,
)
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.correlate.link_building import flow_links
from capnet.wire.numbers import ICMP, ICMP_FRAGMENTATION_NEEDED, ICMP_UNREACHABLE, TCP

NAME = finding_name(__name__)
LEVELS = ("error",)
SCENARIO = "fault mtu-blackhole"
WITNESS = "pcaps/overlay.pcapng"  # large and small packets that all arrive, offload segments among them
EXPLAINS = ()

TOLD = Text(
    en="{packets:packet} of {fails} bytes and more never got from {before} to {after}, up to {passes} bytes did; "
    "{senders} said so by ICMP",
    zh="",
)
NOT_TOLD = Text(
    en="{packets:packet} of {fails} bytes and more never got from {before} to {after}, up to {passes} bytes did; "
    "and nobody says so by ICMP",
    zh="",
)
FIX = Text(
    en="lower the MTU of the sending interface to {passes} or less, or raise that of the link between them",
    zh="",
)

FRAGMENTATION_NEEDED = ICMP_UNREACHABLE * 256 + ICMP_FRAGMENTATION_NEEDED  # FLOW_KIND
MAX_MTU = 9216  # bytes: larger packets are offload segments
MIN_PACKETS = 2  # lost, and passed
MAX_FRAMES_OF_FLOW = 3  # lost packets of one flow that are evidence


class _Losses(NamedTuple):
    """Of one flow between two points: lengths of IP packets in bytes, how many were lost, the first of them."""

    largest_passed: int
    smallest_lost: int
    lost: int
    evidence: list[Evidence]


def diagnose(context: Context) -> list[Finding]:
    flows, links = context.flows, flow_links(context)
    by_points: dict[tuple[int, int], list[_Losses]] = {}
    for link in np.flatnonzero(links.missing >= MIN_PACKETS).tolist():
        before, after = int(links.source[link]), int(links.target[link])
        if flows[before, FLOW_LARGEST_IP] > flows[after, FLOW_LARGEST_IP] and _is_missing(flows, before, after):
            losses = _losses(context, before, after)
            if losses:
                points = int(flows[before, FLOW_POINT]), int(flows[after, FLOW_POINT])
                by_points.setdefault(points, []).append(losses)
    senders = sorted({source(flows[row]) for row in np.flatnonzero(_is_fragmentation_needed(flows)).tolist()})
    findings = []
    for (before, after), of_flows in sorted(by_points.items()):
        passes = max(losses.largest_passed for losses in of_flows)
        fails = min(losses.smallest_lost for losses in of_flows)
        if passes < fails:
            names = context.points[before].name, context.points[after].name
            findings.append(_finding(names, passes, fails, of_flows, senders))
    return findings


def _finding(names: tuple[str, str], passes: int, fails: int, of_flows: list[_Losses], senders: list[str]) -> Finding:
    before, after = names
    packets = sum(losses.lost for losses in of_flows)
    text = TOLD if senders else NOT_TOLD
    return Finding(
        NAME,
        "error",
        text.fill(packets=packets, fails=fails, before=before, after=after, passes=passes, senders=", ".join(senders)),
        FIX.fill(passes=passes),
        {"from": before, "to": after, "passes": passes, "fails": fails, "packets": packets, "told_by": senders},
        sorted(frame for losses in of_flows for frame in losses.evidence)[:MAX_EVIDENCE],
    )


def _is_missing(flows: FlowTable, before: int, after: int) -> bool:
    """Are packets missing that are not only cut differently at the second point?"""
    if flows[before, FLOW_PROTO] != TCP:
        return True
    is_repeated = flows[before, FLOW_RETRANSMISSIONS] > flows[after, FLOW_RETRANSMISSIONS]
    is_unsegmented = flows[before, FLOW_LARGEST_IP] <= MAX_MTU
    return bool(is_repeated and is_unsegmented and flows[before, FLOW_PAYLOAD] > flows[after, FLOW_PAYLOAD])


def _losses(context: Context, before: int, after: int) -> _Losses | None:
    """Packets of flow row `before` that flow row `after` lacks; None unless each is larger than all that passed."""
    observations = context.observations
    sent = observations[observations[:, OBS_FLOW] == before]
    arrived = is_among(sent[:, OBS_DIGEST], observations[observations[:, OBS_FLOW] == after, OBS_DIGEST])
    passed, lost = sent[arrived, OBS_LENGTH], sent[~arrived, OBS_LENGTH]
    if len(passed) < MIN_PACKETS or len(lost) < MIN_PACKETS or lost.min() <= passed.max():
        return None
    frames = np.sort(sent[~arrived, OBS_FRAME])[:MAX_FRAMES_OF_FLOW].tolist()
    evidence = [context.flow_evidence(before, frame) for frame in frames]
    return _Losses(int(passed.max()), int(lost.min()), len(lost), evidence)


def _is_fragmentation_needed(flows: FlowTable) -> FlowMask:
    return (flows[:, FLOW_PROTO] == ICMP) & (flows[:, FLOW_KIND] == FRAGMENTATION_NEEDED)
