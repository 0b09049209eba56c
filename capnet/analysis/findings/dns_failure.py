"""dns-failure: a name was not resolved.

Looks at: result codes in answers from port 53 over UDP; questions to a server that never answers anybody, a second or
more before the capture ended.
Says: which name, what the name server said; or which server is silent.
Wrong when: the answer took a way that was not captured, or the question was repeated over TCP. "No such name" is
often right: a search list makes several of them before the name that exists.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, is_multicast, replies, source
from capnet.analysis.core.results import Evidence, Finding
from capnet.analysis.core.schema import (
    FLOW_DPORT,
    FLOW_FIRST,
    FLOW_FIRST_FRAME,
    FLOW_PACKETS,
    FLOW_POINT,
    FLOW_PROTO,
    FLOW_SPORT,
)
from capnet.analysis.core.wording import plural
from capnet.analysis.correlate.link_building import flow_links
from capnet.wire.numbers import PORT_DNS, UDP

NO_SUCH_NAME = 3
_CODES = {1: "format error", 2: "server failure", 3: "no such name", 4: "not implemented", 5: "refused"}
_BY_NAME = "on Docker's default bridge containers have no names: put them on a network of their own"
PATIENCE_NS = 1_000_000_000  # how long the capture must have gone on after a question
MOST = 20  # names told one by one


def diagnose(context: Context) -> list[Finding]:
    return [*_failed(context), *_silent(context)]


def _failed(context: Context) -> list[Finding]:
    found: dict[tuple[int, str], dict[int, tuple[int, list[Evidence], set[str]]]] = {}
    for (point, code, name), entry in context.dns_failures.items():
        evidence = [context.evidence(point, frame) for frame in entry.frames[:3]]
        found.setdefault((code, name), {})[point] = entry.count, evidence, entry.servers
    findings = []
    for (code, name), places in sorted(found.items())[:MOST]:
        often = max(count for count, _, _ in places.values())  # at each point it is the same answers
        servers = sorted(set().union(*(each for _, _, each in places.values())))
        said = _CODES.get(code, f"result code {code}")
        mild = code == NO_SUCH_NAME
        asked = f"{name or 'a name'}" + (f" ({often} times)" if often > 1 else "")
        findings.append(
            Finding(
                "dns-failure",
                "info" if mild else "warning",
                f"{' and '.join(servers[:2])} answered '{said}' about {asked}",
                f"check the name; {_BY_NAME}" if mild else "check the name server itself, and whom it asks in turn",
                {"name": name, "code": code, "said": said, "answers": often, "servers": servers},
                sorted(frame for _, evidence, _ in places.values() for frame in evidence)[:10],
            )
        )
    return findings


def _silent(context: Context) -> list[Finding]:
    """Questions without an answer at any hop of theirs."""
    flows, answers, found = context.flows, replies(context), flow_links(context)
    asked: dict[str, list[int]] = {}
    answering = np.flatnonzero((flows[:, FLOW_SPORT] == PORT_DNS) & (flows[:, FLOW_PROTO] == UDP))
    heard = {source(flows[row]) for row in answering.tolist()}
    last = {point: place.last or 0 for point, place in enumerate(context.points)}
    for row in np.flatnonzero((flows[:, FLOW_DPORT] == PORT_DNS) & (flows[:, FLOW_PROTO] == UDP)).tolist():
        if found.before[row] >= 0 or is_multicast(destination(flows[row])):
            continue
        server = destination(flows[row])
        listened = last[int(flows[row, FLOW_POINT])] - flows[row, FLOW_FIRST]
        if server not in heard and listened >= PATIENCE_NS and not _answered(row, found.after, found.target, answers):
            asked.setdefault(server, []).append(row)
    return [
        Finding(
            "dns-failure",
            "warning",
            f"{server} did not answer {plural(sum(int(flows[row, FLOW_PACKETS]) for row in rows), 'question')} "
            f"of {', '.join(sorted({source(flows[row]) for row in rows})[:3])}",
            "check that the name server is up and that UDP port 53 is open both ways",
            {"server": server, "questions": sum(int(flows[row, FLOW_PACKETS]) for row in rows), "code": None},
            sorted(context.flow_evidence(row, int(flows[row, FLOW_FIRST_FRAME])) for row in rows)[:10],
        )
        for server, rows in sorted(asked.items())
    ]


def _answered(row: int, after: np.ndarray, target: np.ndarray, answers: np.ndarray) -> bool:
    while answers[row] < 0:
        if after[row] < 0:
            return False
        row = int(target[after[row]])
    return True
