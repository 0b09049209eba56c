"""The order of facts within each list of a report: the same for the same facts, in whatever order they were found."""

from __future__ import annotations

from typing import Any

from capnet.analysis.core.contract.keys import LEVELS
from capnet.analysis.core.results import Finding, Flow, FlowKey, Hop, MacVerdict, Model, Nat, Path, Proxy, Tunnel


def by_confidence(model: Model) -> tuple[Any, ...]:
    return -model.confidence, model.model


def by_verdict(verdict: MacVerdict) -> tuple[Any, ...]:
    return verdict.verdict, verdict.point, verdict.macs, verdict.ips


def by_client(proxy: Proxy) -> tuple[Any, ...]:
    return _ends(proxy.client_side)


def by_network(tunnel: Tunnel) -> tuple[Any, ...]:
    return tunnel.kind, tunnel.vni or 0, tunnel.vteps, tunnel.port or 0, tunnel.point


def by_level(finding: Finding) -> tuple[Any, ...]:
    return LEVELS.index(finding.level), finding.name, finding.says, finding.evidence


def by_translated_packets(nat: Nat) -> tuple[Any, ...]:
    before, after = nat.before, nat.after
    return (
        -nat.packets, nat.kind, nat.proto,
        before.src, _number(before.sport), before.dst, _number(before.dport), _number(before.id), before.point,
        after.src, _number(after.sport), after.dst, _number(after.dport), _number(after.id), after.point,
    )  # fmt: skip


def by_path_packets(path: Path) -> tuple[Any, ...]:
    packets = max((hop.packets for hop in path.hops), default=0)
    hops = tuple((hop.point, _number(hop.id), *_ends(hop)) for hop in path.hops)
    return (-packets, path.proto, *_ends(path.flow), hops)


def by_flow_bytes(flow: Flow) -> tuple[Any, ...]:
    return (-flow.bytes, flow.point, flow.proto, *_ends(flow), _number(flow.id), flow.depth, _number(flow.vni))


def _ends(key: FlowKey | Hop | Flow) -> tuple[Any, ...]:
    return key.src, _number(key.sport), key.dst, _number(key.dport)


def _number(value: int | None) -> int:
    return -1 if value is None else int(value)
