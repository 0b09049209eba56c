"""What a server waits for before it answers: another server that it asks meanwhile, as a proxy does.

Input: times of requests and of their late answers, exchanges, flows, unanswered questions for a MAC. Output:
`Upstream`: which one, and how that keeps it waiting. Method: the address at which a request ends asks another one after
the request came, and has its answer, or gives up, before its own answer; that takes most of the time. Two thirds of the
late answers must have it, at interfaces of one host, which has one clock.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import destination, host_of, replies, source
from capnet.analysis.core.wording import Text, endpoint_text
from capnet.analysis.correlate.link_building import flow_links
from capnet.analysis.facts.clues import Clue
from capnet.analysis.facts.neighbours.unanswered_neighbours import unanswered_neighbours
from capnet.analysis.facts.transport.exchanges import exchanges
from capnet.analysis.fate.next_points import chain_of, is_answered
from capnet.quick_tuple import NamedTuple
from capnet.wire.numbers import TCP

Kind = Literal["late", "silent", "unanswered", "unknown"]  # its answers; no answer; no SYN-ACK; no MAC

HOW: dict[Kind, Text] = {
    "late": Text(
        en="; for {count} of them it waited as long for {upstream}, which answers that late",
        zh="；其中 {count} 个期间它在等待 {upstream}，而后者应答同样慢",
    ),
    "silent": Text(
        en="; for {count} of them it waited as long for {upstream}, which acknowledges its requests and does not "
        "answer",
        zh="；其中 {count} 个期间它在等待 {upstream}，后者确认了它的请求而不应答",
    ),
    "unanswered": Text(
        en="; for {count} of them it waited as long for {upstream}, which answers none of its SYNs",
        zh="；其中 {count} 个期间它在等待 {upstream}，后者不应答它的 SYN",
    ),
    "unknown": Text(
        en="; meanwhile {client} asked for the MAC of {upstream} in vain",
        zh="；期间 {client} 询问 {upstream} 的 MAC 而没有应答",
    ),
}
FIX = Text(
    en="look at {upstream} first: {server} answers when that does, or when it gives up; then at the timeout that "
    "{server} has for it",
    zh="先检查 {upstream}：{server} 要等它应答或放弃等待之后才应答；然后检查 {server} 对它的超时设置",
)

MIN_SHARE_OF_WAIT = 0.8  # of the time to the late answer: other work of the server is short beside it
MIN_SHARE = 2 / 3  # of the late answers
MIN_WAITS = 2  # one alone may be by chance
MAX_DISORDER_NS = 1_000_000  # between time stamps of two interfaces of one host
MIN_TURN_NS = 800_000_000  # MIN_SHARE_OF_WAIT of a second, the shortest wait that is late
MAX_TURNS = 10_000  # that are looked at
MIN_SYNS = 2  # one alone may have its answer behind the capture

_LAST = schema.FLOW_LAST


class Wait(NamedTuple):
    """A late answer: of the client's flow row, when its request came and when the answer began [ns]."""

    row: int
    asked: int
    answered: int


class Upstream(NamedTuple):
    """A server that another one waits for."""

    client: str  # address of the server that waits
    address: str
    port: int | None
    kind: Kind
    waits: int  # late answers that wait for it
    rows: list[int]  # client's flow rows of the connections to it


class _Turn(NamedTuple):
    """A question to another server: flow row, when it was asked and when it ended; -1: it never did."""

    row: int
    begin: int
    end: int  # last packet of the client where it has no answer
    kind: Kind


def upstream_of(context: Context, waits: list[Wait]) -> Upstream | None:
    """The one other server that most of these late answers of a service waited for."""
    by_client, filling = _turns_by_client(context), list[tuple[tuple[str, str, int, Kind], int]]()
    for wait in waits:
        client = _ends_at(context, wait.row)
        turns = {
            (client, destination(flow), int(flow[schema.FLOW_DPORT]), turn.kind): turn.row
            for turn in by_client.get((_place(context, wait.row), client), ())
            if _fills(turn, wait)
            for flow in [context.flows[turn.row]]
        }
        filling += turns.items()
    counts = Counter(key for key, _ in filling)
    if not counts:
        return _unknown_neighbour(context, waits)
    key, count = counts.most_common(1)[0]
    if count < max(MIN_WAITS, MIN_SHARE * len(waits)):
        return _unknown_neighbour(context, waits)
    return Upstream(*key, count, sorted({row for other, row in filling if other == key}))


def clue_of(upstream: Upstream, server: str) -> Clue:
    """What to say about it, and what to do; `server` is what waits."""
    words = {"client": upstream.client, "upstream": endpoint_text(upstream.address, upstream.port), "server": server}
    facts = {"waits_for": upstream.address, "waits_for_port": upstream.port, "upstream": upstream.kind}
    return Clue(FIX.fill(**words), HOW[upstream.kind].fill(**words, count=upstream.waits), facts)


def _fills(turn: _Turn, wait: Wait) -> bool:
    """Does the question begin and end within the wait, and take most of it?"""
    end = wait.answered if turn.kind == "unanswered" else turn.end
    end = min(end, wait.answered) if turn.kind == "silent" else end  # it closes both connections in any order
    is_inside = wait.asked - MAX_DISORDER_NS <= turn.begin and end <= wait.answered + MAX_DISORDER_NS
    return is_inside and end - turn.begin >= MIN_SHARE_OF_WAIT * (wait.answered - wait.asked)


def _place(context: Context, row: int) -> str:
    return _host_or_point(context, int(context.flows[row, schema.FLOW_POINT]))


def _host_or_point(context: Context, point: int) -> str:
    """The host that the name of a point begins with; the point itself where it names none."""
    name = context.points[point].name
    return host_of(name) or name


def _ends_at(context: Context, row: int) -> str:
    """The address to which a flow goes at its last hop at this host."""
    links, place, end = flow_links(context), _place(context, row), row
    while links.after[end] >= 0:
        end = int(links.target[links.after[end]])
        row = end if _place(context, end) == place else row
    return destination(context.flows[row])


@derived
def _turns_by_client(context: Context) -> dict[tuple[str, str], list[_Turn]]:
    """The questions of each host's addresses that have no answer soon, by host and address."""
    flows, observations, turns = context.flows, context.observations, exchanges(context)
    asked = observations[turns.request, schema.OBS_TIME]
    is_answered_late = turns.answer >= 0
    ended = np.where(is_answered_late, observations[turns.answer, schema.OBS_TIME], flows[turns.client, _LAST])
    chosen = np.flatnonzero(ended - asked >= MIN_TURN_NS)[:MAX_TURNS]
    kinds: list[Kind] = ["late" if is_late else "silent" for is_late in is_answered_late[chosen].tolist()]
    candidates = [*map(_Turn, turns.client[chosen].tolist(), asked[chosen].tolist(), ended[chosen].tolist(), kinds)]
    is_silent = (flows[:, schema.FLOW_PROTO] == TCP) & (flows[:, schema.FLOW_SYNS] >= MIN_SYNS)
    is_silent &= ~is_answered(context) & (replies(context) < 0) & (chain_of(context) == np.arange(len(flows)))
    for row in np.flatnonzero(is_silent)[:MAX_TURNS].tolist():
        candidates.append(_Turn(row, int(flows[row, schema.FLOW_FIRST]), -1, "unanswered"))
    by_client: dict[tuple[str, str], list[_Turn]] = {}
    for turn in candidates:
        by_client.setdefault((_place(context, turn.row), source(flows[turn.row])), []).append(turn)
    return by_client


def _unknown_neighbour(context: Context, waits: list[Wait]) -> Upstream | None:
    """An address for whose MAC the server asks in vain: from the first wait on, and to the last one."""
    first, last = min(waits, key=lambda wait: wait.asked), max(waits, key=lambda wait: wait.asked)
    client, place = _ends_at(context, first.row), _place(context, first.row)
    targets = set()
    for question in unanswered_neighbours(context):
        times = [
            (of.first_request, of.last_request)
            for of in question.exchanges
            if _host_or_point(context, of.point) == place
        ]
        if question.asker == client and times:
            begin, end = min(begin for begin, _ in times), max(end for _, end in times)
            is_soon = 0 <= begin - first.asked <= (1 - MIN_SHARE_OF_WAIT) * (first.answered - first.asked)
            if is_soon and last.asked <= end <= last.answered:
                targets.add(question.target)
    return Upstream(client, targets.pop(), None, "unknown", len(waits), []) if len(targets) == 1 else None
