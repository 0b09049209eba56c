"""What happened to a flow between two consecutive hops: NAT, routing, VLAN tags, tunnels, fragmentation.

Input: the two rows of the flow table and the change of the TTL. Output: the words of `Hop.change` of the report.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import ICMP_PROTOCOLS, host_of, is_icmp_error, ports, vlan_tags
from capnet.analysis.core.schema import FlowRow

_ROLES_ON_THE_WIRE = ("parent", "underlay")


def hop_changes(context: Context, before: FlowRow, after: FlowRow, ttl_delta: int) -> list[str]:
    """What happened between two hops, in the order in which it happens."""
    changes = []
    via_before, via_after = before[schema.FLOW_VIA], after[schema.FLOW_VIA]
    is_retagged = before[schema.FLOW_VLAN] != after[schema.FLOW_VLAN]
    if via_before and not via_after:
        changes.append("decapsulated")
    if is_retagged and not _ends_with(vlan_tags(after), vlan_tags(before)):
        changes.append("vlan-untagged")
    if before[schema.FLOW_FRAGMENTS] and not after[schema.FLOW_FRAGMENTS]:
        changes.append("reassembled")
    is_dnat = _has_new_destination(before, after)
    if is_dnat:
        changes.append("dnat")
    is_routed = ttl_delta < 0 or _has_new_source_mac(before, after)
    if is_routed:
        changes.append("routed")
    if _has_new_source(before, after, is_dnat):
        changes.append("snat")
    if after[schema.FLOW_FRAGMENTS] and not before[schema.FLOW_FRAGMENTS]:
        changes.append("fragmented")
    if is_retagged and not _ends_with(vlan_tags(before), vlan_tags(after)):
        changes.append("vlan-tagged")
    if via_after and not via_before:
        changes.append("encapsulated")
    if not is_routed and bool(via_before) == bool(via_after) and changes != ["dnat", "snat"]:
        if _crossed_the_wire(context, before, after):
            changes.append("wire")
        elif not is_retagged:
            changes.append("bridged")
    return changes


def _has_new_source_mac(before: FlowRow, after: FlowRow) -> bool:
    """Is the source MAC another one, as behind a router? Hops without Ethernet headers have no MACs to compare."""
    source_before, source_after = before[schema.FLOW_SMAC], after[schema.FLOW_SMAC]
    if source_before == source_after:
        return False
    if source_before >= 0 and source_after >= 0:
        return True
    target_before, target_after = before[schema.FLOW_DMAC], after[schema.FLOW_DMAC]
    return bool(target_before >= 0 and target_after >= 0 and target_before != target_after)


def _has_new_destination(before: FlowRow, after: FlowRow) -> bool:
    """Has the destination address or port changed?"""
    if (
        before[schema.FLOW_DST_LO] != after[schema.FLOW_DST_LO]
        or before[schema.FLOW_DST_HI] != after[schema.FLOW_DST_HI]
    ):
        return True
    return bool(before[schema.FLOW_DPORT] != after[schema.FLOW_DPORT]) and ports(before)[1] != ports(after)[1]


def _has_new_source(before: FlowRow, after: FlowRow, dnat: bool) -> bool:
    """Has the source address or port changed?

    The source port of an ICMP query is its identifier, which DNAT may rewrite as well. That of an ICMP error belongs to
    the packet that it is about.
    """
    if (
        before[schema.FLOW_SRC_LO] != after[schema.FLOW_SRC_LO]
        or before[schema.FLOW_SRC_HI] != after[schema.FLOW_SRC_HI]
    ):
        return True
    if before[schema.FLOW_SPORT] == after[schema.FLOW_SPORT]:
        return False
    return not (is_icmp_error(before) or (dnat and before[schema.FLOW_PROTO] in ICMP_PROTOCOLS))


def _ends_with(tags: list[int], inner: list[int]) -> bool:
    """Are the last of these tags the inner ones? True also if both are the same."""
    return len(inner) <= len(tags) and tags[len(tags) - len(inner) :] == inner


def _crossed_the_wire(context: Context, before: FlowRow, after: FlowRow) -> bool:
    """Are these two hops network interfaces of two hosts?"""
    earlier, later = context.points[before[schema.FLOW_POINT]], context.points[after[schema.FLOW_POINT]]
    on_wire = earlier.role in _ROLES_ON_THE_WIRE and later.role in _ROLES_ON_THE_WIRE
    return on_wire and host_of(earlier.name) != host_of(later.name)
