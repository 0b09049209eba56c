"""clock-skew: the clocks of two hosts, or of two files, disagree.

Looks at: packets that were seen under two clocks, in both directions where there are both (`correlate.clocks`).
Says: by how much, whether they drift or were set meanwhile, and how exactly that is known. Delays between their points
are given after correction; where only one direction passed, they are not given at all.
Wrong when: the fastest packets one way take much longer than those the other way: the middle is taken to be fair.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.context import Context
from capnet.analysis.core.results import Evidence, Finding
from capnet.analysis.core.wording import plural
from capnet.analysis.correlate.clock_bounds import CLOCK_TOLERANCE_NS
from capnet.analysis.correlate.clocks import Clock, clocks
from capnet.analysis.correlate.link_building import flow_links


def diagnose(context: Context) -> list[Finding]:
    return [
        _finding(context, index, clock)
        for index, clock in enumerate(clocks(context).all)
        if clock.is_corrected and clock.packets_compared
    ]


def _finding(context: Context, index: int, clock: Clock) -> Finding:
    drift = clock.drift * 1e6  # µs in a second
    way = "ahead of" if clock.ahead_ns > 0 else "behind"
    apart = f"is {_span(abs(clock.ahead_ns))} {way}"
    if abs(clock.ahead_ns) <= max(clock.uncertainty_ns, CLOCK_TOLERANCE_NS):
        apart = "at first agrees with"
    says = f"the clock of {clock.name} {apart} that of {clock.reference}"
    steps = _steps(clock)
    if clock.bound:
        says += f", {clock.bound}: packets in one direction only were seen at both"
    elif steps:
        by = ", ".join(f"{'+' if step > 0 else '−'}{_span(abs(step))}" for step in steps[:4])
        says += f" and was set {plural(len(steps), 'time')} while packets were recorded: {by}"
    elif not clock.is_comparable:
        says += ", about: no clock that runs evenly fits their packets"
    elif drift:
        change = _span(abs(clock.drift) * clock.span_ns)
        says += f" and {'gains' if drift > 0 else 'loses'} {change} in {_span(clock.span_ns)}"
    return Finding(
        "clock-skew",
        "info",
        says + f" ({plural(clock.packets_compared, 'packet')} compared)",
        "run an NTP or PTP client on both hosts; delays between them are corrected here",
        {
            "clock": clock.name,
            "reference": clock.reference,
            "ahead_us": round(clock.ahead_ns / 1000, 3),
            "drift_us_per_s": round(drift, 6),
            "uncertainty_us": round(clock.uncertainty_ns / 1000, 3) if clock.is_comparable else None,
            "both_directions": clock.is_comparable,
            "steps_us": [round(step / 1000, 3) for step in steps],
            "pairs": clock.packets_compared,
        },
        _evidence(context, index),
    )


def _steps(clock: Clock) -> list[float]:
    """By how much it was set, ns, each time."""
    found, before = [], (clock.ahead_ns, clock.drift, clock.since_ns)
    for step in clock.steps:
        ahead, drift, since = before
        now = step.ahead_ns + step.drift * (step.begin_ns - step.since_ns)
        then = step.begin_ns - (now - ahead)  # by the clock as it was
        found.append(now - (ahead + drift * (then - since)))
        before = step.ahead_ns, step.drift, step.since_ns
    return found


def _evidence(context: Context, index: int) -> list[Evidence]:
    """The first packets seen under this clock and another."""
    found = flow_links(context)
    of = clocks(context).of_flows(context)
    source, target = of[found.source], of[found.target]
    crossing = np.flatnonzero((source != target) & ((source == index) | (target == index)))
    evidence = []
    for link in crossing[np.argsort(found.frames[crossing, 0], kind="stable")][:4].tolist():
        evidence.append(context.flow_evidence(found.source[link], int(found.frames[link, 0])))
        evidence.append(context.flow_evidence(found.target[link], int(found.frames[link, 1])))
    return evidence


def _span(nanoseconds: float) -> str:
    for unit, size in (("s", 1e9), ("ms", 1e6)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3f} {unit}"
    return f"{nanoseconds / 1e3:.0f} µs"
