"""The order of facts within each list of a report, which does not depend on the order of their computation.

A key decides between any two different facts, so that the same input gives the same bytes.
"""

from __future__ import annotations

from typing import Any

from capnet.analysis.core.contract.keys import FATES, LEVELS
from capnet.analysis.core.contract.model import Model
from capnet.analysis.core.contract.outcomes import Fate, IcmpErrorMessage, KernelReason, Neighbour, Proxy, QuotedPacket
from capnet.analysis.core.contract.volume import Conversation
from capnet.analysis.core.results import Finding, Flow, FlowKey, Hop, MacVerdict, Nat, Path, Tunnel


def by_confidence(model: Model) -> tuple[Any, ...]:
    """The most confident model first."""
    return -model.confidence, model.model


def by_verdict(verdict: MacVerdict) -> tuple[Any, ...]:
    """By verdict, then by point and addresses."""
    return verdict.verdict, verdict.point, verdict.macs, verdict.ips


def by_client(proxy: Proxy) -> tuple[Any, ...]:
    """By the connection of the client."""
    return _ends(proxy.client_side)


def by_network(tunnel: Tunnel) -> tuple[Any, ...]:
    """By kind and id, then by ends."""
    return tunnel.kind, tunnel.vni or 0, tunnel.vteps, tunnel.port or 0, tunnel.point


def by_level(finding: Finding) -> tuple[Any, ...]:
    """The worst level first, then what concerns the most packets, then by name."""
    return LEVELS.index(finding.level), -finding.count, finding.name, finding.says, finding.evidence


def by_translated_packets(nat: Nat) -> tuple[Any, ...]:
    """The translation of most packets first."""
    before, after = nat.before, nat.after
    return (
        -nat.packets, nat.kind, nat.proto,
        before.src, _number(before.sport), before.dst, _number(before.dport), _number(before.id), before.point,
        after.src, _number(after.sport), after.dst, _number(after.dport), _number(after.id), after.point,
    )  # fmt: skip


def by_path_packets(path: Path) -> tuple[Any, ...]:
    """The path with the most packets at one hop first."""
    packets = max((hop.packets for hop in path.hops), default=0)
    hops = tuple((hop.point, _number(hop.id), *_ends(hop)) for hop in path.hops)
    return (-packets, path.proto, *_ends(path.flow), hops)


def by_flow_bytes(flow: Flow) -> tuple[Any, ...]:
    """The flow with the most bytes first."""
    return (-flow.bytes, flow.point, flow.proto, *_ends(flow), _number(flow.id), flow.depth, _number(flow.vni))


def by_conversation_bytes(row: Conversation) -> tuple[Any, ...]:
    """The conversation with the most bytes first."""
    return (-row.bytes, row.point, row.proto, *_ends(row), _number(row.id), _number(row.vni), row.first)


def by_fate(fate: Fate) -> tuple[Any, ...]:
    """The worst fate first, then the flow with the most packets."""
    return (
        FATES.index(fate.fate),
        -fate.packets,
        fate.first,
        fate.point,
        fate.proto,
        *_ends(fate.flow),
        _number(fate.id),
    )


def by_namespace(reason: KernelReason) -> tuple[Any, ...]:
    """By network namespace, then what concerns the most packets first."""
    return reason.namespace, -reason.missing, reason.name, reason.point, reason.says, reason.evidence


def by_messages(error: IcmpErrorMessage) -> tuple[Any, ...]:
    """The error with the most messages at one point first."""
    quoted = error.quoted
    about = (quoted.proto, *_ends(quoted)) if quoted else ()
    return -error.count, error.first, error.point, error.proto, error.from_, error.to, error.type, error.code, about


def by_unanswered(neighbour: Neighbour) -> tuple[Any, ...]:
    """What got no answer first, then most requests; probes, which want none, behind the others."""
    is_probe = neighbour.asker in ("0.0.0.0", "::")
    named = (neighbour.kind, neighbour.asker, neighbour.target, neighbour.asker_mac or "", _number(neighbour.vni))
    return neighbour.answered > 0, is_probe, -neighbour.asked, neighbour.point, neighbour.first, named


def _ends(key: FlowKey | Hop | Flow | QuotedPacket | Conversation) -> tuple[Any, ...]:
    return key.src, _number(key.sport), key.dst, _number(key.dport)


def _number(value: int | None) -> int:
    return -1 if value is None else int(value)
