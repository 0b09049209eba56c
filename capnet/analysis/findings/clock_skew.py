"""clock-skew: the clocks of two hosts, or of two files, disagree.

Looks at: packets that were seen under two clocks, in both directions where there are both (`correlate.clocks`), and
what the recording measured of the clocks of its hosts.
Says: by how much they differ, whether one drifts or was set meanwhile, and how exactly that is known. Delays between
their points are corrected; where packets in one direction only were seen at both, no delay is given.
Wrong when: the fastest packets of one direction take much longer than those of the other: half the round trip is taken
for each.
Fix: run an NTP or PTP client on both hosts.
Verify: `chronyc tracking` or `timedatectl timesync-status` on both hosts.
"""

from __future__ import annotations

import numpy as np

from capnet import language
from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Evidence, Finding
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.correlate.clock_evidence.clock_bounds import CLOCK_TOLERANCE_NS
from capnet.analysis.correlate.clocks import Clock, clocks
from capnet.analysis.correlate.link_building import flow_links

NAME = finding_name(__name__)
LEVELS = ("info",)
SCENARIO = None  # the hosts of the lab share the clock of one machine
WITNESS = "pcaps/overlay.pcapng"  # twelve points on two hosts, one clock
EXPLAINS = ()

PAGE_ZH = """两台主机或两个文件的时钟不一致。

检查：在两个时钟下都看到的包，尽可能两个方向都有（`correlate.clocks`），以及抓包时对各主机时钟的测量。
结论：相差多少，是否漂移或其间被调整，精确到什么程度。抓包点之间的时延已校正；如果只有一个方向的包在两处都能看到，就
不给出时延。
误判：一个方向上最快的包比另一个方向慢得多：这里假定单程各为往返的一半。
处理：在两台主机上运行 NTP 或 PTP 客户端。
验证：在两台主机上 `chronyc tracking` 或 `timedatectl timesync-status`。
"""

AHEAD = Text(
    en="the clock of {clock} is {offset} ahead of that of {reference}", zh="{clock} 的时钟比 {reference} 的快 {offset}"
)
BEHIND = Text(
    en="the clock of {clock} is {offset} behind that of {reference}", zh="{clock} 的时钟比 {reference} 的慢 {offset}"
)
EQUAL_AT_FIRST = Text(
    en="the clock of {clock} at first agrees with that of {reference}", zh="{clock} 的时钟起初与 {reference} 的一致"
)
BOUND = Text(
    en=", {bound}: packets in one direction only were seen at both", zh="，{bound}：只有一个方向的包在两处都能看到"
)
SET = Text(
    en=" and was set {times:time} while packets were recorded: {steps}", zh="，抓包期间被调整了 {times} 次：{steps}"
)
UNEVEN = Text(en=", about: no clock that runs evenly fits their packets", zh="，约数：没有匀速运行的时钟能符合它们的包")
GAINS = Text(en=" and gains {drift} in {span}", zh="，并在 {span} 内快了 {drift}")
LOSES = Text(en=" and loses {drift} in {span}", zh="，并在 {span} 内慢了 {drift}")
COMPARED = Text(en=" ({packets:packet} compared)", zh="（比较了 {packets} 个包）")
MEASURED = Text(
    en=" (measured {times:time} while recording, and {packets:packet} compared)",
    zh="（抓包时测量了 {times} 次，并比较了 {packets} 个包）",
)
FIX = Text(
    en="run an NTP or PTP client on both hosts; delays between them are corrected here",
    zh="在两台主机上运行 NTP 或 PTP 客户端；本报告中两者之间的时延已校正",
)

MIN_STEP_NS = 1e6  # programs set a clock by milliseconds and more (ntpd: 128 ms), and slew it by less
MAX_STEPS = 4  # that the sentence lists
MAX_LINKS = 4  # of which the frames at both ends are evidence


def diagnose(context: Context) -> list[Finding]:
    return [
        _finding(context, index, clock)
        for index, clock in enumerate(clocks(context).all)
        if clock.is_corrected and not _agrees(clock) and (clock.packets_compared or clock.readings_compared)
    ]


def _agrees(clock: Clock) -> bool:
    """Does it differ from its reference by no more than is known, and was neither set nor drifts?"""
    is_steady = not (clock.steps or clock.drift or clock.bound) and clock.is_comparable
    return is_steady and abs(clock.ahead_ns) <= max(clock.uncertainty_ns, CLOCK_TOLERANCE_NS)


def _finding(context: Context, index: int, clock: Clock) -> Finding:
    steps_ns = _steps_ns(clock)
    return Finding(
        NAME,
        "info",
        _offset(clock) + _behaviour(clock, steps_ns) + _compared(clock),
        FIX.fill(),
        {
            "clock": clock.name,
            "reference": clock.reference,
            "ahead_us": round(clock.ahead_ns / 1000, 3),
            "drift_us_per_s": round(clock.drift * 1e6, 6),
            "uncertainty_us": round(clock.uncertainty_ns / 1000, 3) if clock.is_comparable else None,
            "both_directions": clock.is_comparable,
            "steps_us": [round(step / 1000, 3) for step in steps_ns],
            "pairs": clock.packets_compared,
            **({"measured": clock.readings_compared} if clock.readings_compared else {}),
        },
        _evidence(context, index),
    )


def _offset(clock: Clock) -> str:
    """How far the clock is from its reference."""
    if abs(clock.ahead_ns) <= max(clock.uncertainty_ns, CLOCK_TOLERANCE_NS):
        return EQUAL_AT_FIRST.fill(clock=clock.name, reference=clock.reference)
    text = AHEAD if clock.ahead_ns > 0 else BEHIND
    return text.fill(clock=clock.name, offset=_duration(abs(clock.ahead_ns)), reference=clock.reference)


def _behaviour(clock: Clock, steps_ns: list[float]) -> str:
    """How well the offset is known, and whether it changes."""
    if clock.bound:
        return BOUND.fill(bound=clock.bound)
    if steps_ns:
        steps = language.items(f"{'+' if step > 0 else '−'}{_duration(abs(step))}" for step in steps_ns[:MAX_STEPS])
        return SET.fill(times=len(steps_ns), steps=steps)
    if clock.steps or not clock.is_comparable:
        return UNEVEN.fill()
    if clock.drift:
        text = GAINS if clock.drift > 0 else LOSES
        return text.fill(drift=_duration(abs(clock.drift) * clock.span_ns), span=_duration(clock.span_ns))
    return ""


def _compared(clock: Clock) -> str:
    """What it is known from."""
    if clock.readings_compared:
        return MEASURED.fill(times=clock.readings_compared, packets=clock.packets_compared)
    return COMPARED.fill(packets=clock.packets_compared)


def _steps_ns(clock: Clock) -> list[float]:
    """By how much the clock was set each time, ns; empty where all steps are small: queues delay packets unevenly."""
    steps_ns, before = [], (clock.ahead_ns, clock.drift, clock.since_ns)
    for step in clock.steps:
        ahead, drift, since = before
        offset_after = step.ahead_ns + step.drift * (step.begin_ns - step.since_ns)
        begin = step.begin_ns - (offset_after - ahead)  # by the clock as it was
        steps_ns.append(offset_after - (ahead + drift * (begin - since)))
        before = step.ahead_ns, step.drift, step.since_ns
    return steps_ns if any(abs(step) >= MIN_STEP_NS for step in steps_ns) else []


def _evidence(context: Context, index: int) -> list[Evidence]:
    """The first packets that were seen under this clock and another."""
    links = flow_links(context)
    clock_of_flows = clocks(context).of_flows(context)
    source, target = clock_of_flows[links.source], clock_of_flows[links.target]
    crossing = np.flatnonzero((source != target) & ((source == index) | (target == index)))
    evidence = []
    for link in crossing[np.argsort(links.frames[crossing, 0], kind="stable")][:MAX_LINKS].tolist():
        evidence.append(context.flow_evidence(links.source[link], int(links.frames[link, 0])))
        evidence.append(context.flow_evidence(links.target[link], int(links.frames[link, 1])))
    return evidence


def _duration(nanoseconds: float) -> str:
    for unit, size in (("s", 1e9), ("ms", 1e6)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3f} {unit}"
    return f"{nanoseconds / 1e3:.0f} µs"
