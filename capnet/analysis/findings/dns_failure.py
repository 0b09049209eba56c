"""dns-failure: a name was not resolved.

Looks at: result codes in answers from UDP port 53 (RFC 1035 section 4.1.1); queries to a server that answers no query,
a second or more before the capture ended.
Says: which name, and what the name server answered; or which server does not answer.
Wrong when: the answer took a way that was not captured, or the query was repeated over TCP. "No such name" is often
right: a search list asks for several names before the one that exists.
Fix: correct the name; put containers that use each other's names on a user-defined network; or repair the name server
and the servers that it asks.
Verify: `nsenter -t PID -n dig @SERVER NAME`.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import destination, is_multicast, replies, source
from capnet.analysis.core.payload import DnsFailures
from capnet.analysis.core.results import MAX_EVIDENCE, Finding
from capnet.analysis.core.schema import (
    FLOW_DPORT,
    FLOW_FIRST,
    FLOW_FIRST_FRAME,
    FLOW_PACKETS,
    FLOW_POINT,
    FLOW_PROTO,
    FLOW_SPORT,
)
from capnet.analysis.core.wording import Text, finding_name
from capnet.analysis.correlate.link_building import flow_links
from capnet.wire.numbers import PORT_DNS, UDP

NAME = finding_name(__name__)
LEVELS = ("info", "warning")
SCENARIO = "bridge"  # containers on Docker's default bridge have no names
WITNESS = "pcaps/bridge-user-defined.pcapng"  # Docker's DNS server answers
EXPLAINS = ()

ANSWERED = Text(en="{servers} answered '{code}' about {query}", zh="")
NO_SUCH_NAME_FIX = Text(
    en="check the name; on Docker's default bridge containers have no names: put them on a network of their own", zh=""
)
ANSWERED_FIX = Text(en="check the name server itself, and whom it asks in turn", zh="")
SILENT = Text(en="{server} did not answer {queries:question} of {clients}", zh="")
SILENT_FIX = Text(en="check that the name server is up and that UDP port 53 is open both ways", zh="")

NO_SUCH_NAME = 3
_CODES = {1: "format error", 2: "server failure", 3: "no such name", 4: "not implemented", 5: "refused"}
MIN_WAIT_NS = 1_000_000_000  # the capture must go on so long after a query
MAX_NAMES = 20  # that have a finding of their own
MAX_FRAMES_AT_POINT = 3  # of one name and code
MAX_CLIENTS = 3  # that the sentence lists


def diagnose(context: Context) -> list[Finding]:
    return [*_failed_names(context), *_silent_servers(context)]


def _failed_names(context: Context) -> list[Finding]:
    failures: dict[tuple[int, str], dict[int, DnsFailures]] = {}
    for (point, code, name), answers in context.dns_failures.items():
        failures.setdefault((code, name), {})[point] = answers
    return [_failed_name(context, code, name, failures[code, name]) for code, name in sorted(failures)[:MAX_NAMES]]


def _failed_name(context: Context, code: int, name: str, at: dict[int, DnsFailures]) -> Finding:
    """`at`: the answers with this code about this name, by point."""
    count = max(answers.count for answers in at.values())  # every point shows the same answers
    servers = sorted(set().union(*(answers.servers for answers in at.values())))
    words = _CODES.get(code, f"result code {code}")
    query = f"{name or 'a name'}" + (f" ({count} times)" if count > 1 else "")
    evidence = sorted(
        context.evidence(point, frame)
        for point, answers in at.items()
        for frame in answers.frames[:MAX_FRAMES_AT_POINT]
    )
    return Finding(
        NAME,
        "info" if code == NO_SUCH_NAME else "warning",
        ANSWERED.fill(servers=" and ".join(servers[:2]), code=words, query=query),
        (NO_SUCH_NAME_FIX if code == NO_SUCH_NAME else ANSWERED_FIX).fill(),
        {"name": name, "code": code, "said": words, "answers": count, "servers": servers},
        evidence[:MAX_EVIDENCE],
    )


def _silent_servers(context: Context) -> list[Finding]:
    """Servers with queries that no hop shows an answer to."""
    flows = context.flows
    findings = []
    for server, rows in sorted(_unanswered_queries(context).items()):
        queries = sum(int(flows[row, FLOW_PACKETS]) for row in rows)
        clients = sorted({source(flows[row]) for row in rows})
        evidence = sorted(context.flow_evidence(row, int(flows[row, FLOW_FIRST_FRAME])) for row in rows)
        findings.append(
            Finding(
                NAME,
                "warning",
                SILENT.fill(server=server, queries=queries, clients=", ".join(clients[:MAX_CLIENTS])),
                SILENT_FIX.fill(),
                {"server": server, "questions": queries, "code": None},
                evidence[:MAX_EVIDENCE],
            )
        )
    return findings


def _unanswered_queries(context: Context) -> dict[str, list[int]]:
    """Server → flow rows of the first hops of queries to it, of servers that answer nobody."""
    flows, answers, links = context.flows, replies(context), flow_links(context)
    queries: dict[str, list[int]] = {}
    is_answer = (flows[:, FLOW_SPORT] == PORT_DNS) & (flows[:, FLOW_PROTO] == UDP)
    answering = {source(flows[row]) for row in np.flatnonzero(is_answer).tolist()}
    last_ns = [point.last or 0 for point in context.points]
    is_query = (flows[:, FLOW_DPORT] == PORT_DNS) & (flows[:, FLOW_PROTO] == UDP)
    for row in np.flatnonzero(is_query & (links.before < 0)).tolist():
        server = destination(flows[row])
        wait_ns = last_ns[int(flows[row, FLOW_POINT])] - flows[row, FLOW_FIRST]
        if is_multicast(server) or server in answering or wait_ns < MIN_WAIT_NS:
            continue
        if not _is_answered(row, links.after, links.target, answers):
            queries.setdefault(server, []).append(row)
    return queries


def _is_answered(row: int, after: np.ndarray, target: np.ndarray, answers: np.ndarray) -> bool:
    """Does this hop, or one behind it, show an answer?"""
    while answers[row] < 0:
        if after[row] < 0:
            return False
        row = int(target[after[row]])
    return True
