"""Whether MACs that claim one address by ARP are of one host or of several, and which of them has it not.

Input: ARP exchanges, flows, topology. Method, at one point and in one tunnel:
- a MAC that sends packets to the address, or asks for it, while it claims it, answers for another one: proxy ARP;
- a question to one of the MACs that the other one answers shows one host: Linux answers for all of its addresses by
  each card (arp_ignore 0), and sends by the one that its route names;
- packets to each of them that it answers itself show two hosts, and so does a question to all for another address
  that one of them alone answers. The cards of one host do neither.
Limits: where none of this is seen, nothing tells the cards of one host from two hosts with one address.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import hash_of, row_hash
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.core.flow_rows import replies
from capnet.analysis.core.schema import Values
from capnet.analysis.facts.neighbours.exchanges import Exchange, neighbours
from capnet.analysis.facts.transport.flow_observations import observations_of
from capnet.quick_tuple import NamedTuple
from capnet.topology.lookup import endpoints
from capnet.wire.addresses import address_value, mac_value

MAX_ROWS = 100  # flows to one address that are looked at
MAX_APART_NS = 1_000_000_000  # a proxy forwards, or asks itself, as soon as it has answered

Place = tuple[int, int, int]  # point, tunnel, VNI


def answers_for_another(context: Context, place: Place, address: str, mac: int, times: tuple[int, int]) -> bool:
    """Does a MAC that claims an address at these times ask for it, or send to it, as nothing does that has it?"""
    since, until = times[0] - MAX_APART_NS, times[1] + MAX_APART_NS
    ends = [*place, mac, *address_value(address)]
    for row in _rows_of(_flows_by_sender(context), ends):
        if context.flows[row, schema.FLOW_FIRST] <= until and context.flows[row, schema.FLOW_LAST] >= since:
            return True
    return any(
        of.asker_mac == mac and of.first_request <= until and of.last_request >= since
        for of in _questions_for(context).get((place, address), ())
    )


def are_of_one_host(context: Context, place: Place, address: str, macs: Sequence[int]) -> bool:
    """Does one of these MACs answer what was sent to another one, or has the topology both at one host?"""
    owners = [_owners(context).get(mac) for mac in macs]
    is_one = None not in owners and len(set(owners)) == 1
    return is_one or any(mac != by for mac, by in _answered_by(context, place, address, macs))


def are_of_several_hosts(context: Context, place: Place, address: str, macs: Sequence[int]) -> bool:
    """Do two of these MACs answer for themselves, or does one of them alone answer for another address?"""
    owners = {_owners(context).get(mac) for mac in macs} - {None}
    if len(owners) > 1 or len({mac for mac, by in _answered_by(context, place, address, macs) if mac == by}) > 1:
        return True
    return any(_answered_alone(context).get((place, mac), set()) - {address} for mac in macs)


def _answered_by(context: Context, place: Place, address: str, macs: Sequence[int]) -> list[tuple[int, int]]:
    """Which of these MACs was sent something, and which one answered it first, for each flow to the address."""
    answers, flows, pairs = replies(context), context.flows, []
    for mac in macs:
        for row in _rows_of(_flows_by_receiver(context), [*place, mac, *address_value(address)]):
            answer = int(answers[row])
            if answer >= 0 and int(flows[answer, schema.FLOW_SMAC]) in macs and _is_answered_at_once(context, row):
                pairs.append((mac, int(flows[answer, schema.FLOW_SMAC])))
    return pairs


def _is_answered_at_once(context: Context, row: int) -> bool:
    """Does the answer come before a second packet, which may have gone to another MAC than the first one?"""
    flow, answer = context.flows[row], context.flows[int(replies(context)[row])]
    if flow[schema.FLOW_PACKETS] == 1:
        return bool(answer[schema.FLOW_FIRST] >= flow[schema.FLOW_FIRST])
    sent = observations_of(context, row)[:, schema.OBS_TIME]
    return len(sent) > 1 and bool(sent.min() <= answer[schema.FLOW_FIRST] <= np.partition(sent, 1)[1])


class _Index(NamedTuple):
    """Flow rows by a hash, sorted."""

    keys: Values
    rows: Values


@derived
def _flows_by_sender(context: Context) -> _Index:
    """By place, MAC that sends and address that is sent to."""
    return _index(context, schema.FLOW_SMAC)


@derived
def _flows_by_receiver(context: Context) -> _Index:
    """By place, MAC and address that are sent to."""
    return _index(context, schema.FLOW_DMAC)


def _index(context: Context, mac: int) -> _Index:
    keys = hash_of(context.flows, [*schema.FLOW_PLACE, mac, *schema.FLOW_DST])
    order = np.argsort(keys, kind="stable")
    return _Index(keys[order], order)


def _rows_of(index: _Index, ends: list[int]) -> list[int]:
    key = row_hash(np.array([ends], dtype=np.int64))
    first, last = np.searchsorted(index.keys, key[0], "left"), np.searchsorted(index.keys, key[0], "right")
    rows: list[int] = index.rows[first:last][:MAX_ROWS].tolist()
    return rows


@derived
def _questions_for(context: Context) -> dict[tuple[Place, str], list[Exchange]]:
    """Place and address → the questions for it by ARP."""
    questions: dict[tuple[Place, str], list[Exchange]] = {}
    for of in neighbours(context):
        if of.kind == "arp" and of.requests and not (of.is_probe or of.is_announcement):
            questions.setdefault(((of.point, of.via, of.vni), of.target), []).append(of)
    return questions


@derived
def _answered_alone(context: Context) -> dict[tuple[Place, int], set[str]]:
    """Place and MAC → addresses that all were asked for, and it alone answered for."""
    answered: dict[tuple[Place, int], set[str]] = {}
    for (place, address), questions in _questions_for(context).items():
        macs = {mac for of in questions for mac in of.target_macs}
        if len(macs) == 1 and any(of.requests > of.unicast_requests and of.replies for of in questions):
            answered.setdefault((place, macs.pop()), set()).add(address)
    return answered


@derived
def _owners(context: Context) -> dict[int, tuple[str, str]]:
    """MAC → the host, and the container there, whose interface has it by the topology; no MAC of several."""
    topology = context.topology
    if topology is None:
        return {}
    owners: dict[int, set[tuple[str, str]]] = {}
    owned = [(each.mac, (host.name, "")) for host in topology.hosts for each in host.interfaces]
    owned += [(endpoint.mac, (container.host, container.id)) for container, endpoint in endpoints(topology)]
    for mac, owner in owned:
        if mac:
            owners.setdefault(mac_value(mac), set()).add(owner)
    return {mac: next(iter(of)) for mac, of in owners.items() if len(of) == 1}
