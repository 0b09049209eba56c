"""What happened to a flow between two consecutive hops: NAT, routing, VLAN tags, tunnels, fragmentation.

Input: the two rows of the flow table and the change of the TTL. Output: the words of `Hop.change` of the report.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.context import Context
from capnet.analysis.core.flow_rows import ICMP_PROTOCOLS, host_of, is_icmp_error, ports, vlan_tags
from capnet.analysis.core.schema import FlowRow

_ROLES_ON_THE_WIRE = ("parent", "underlay")
# Compared one by one: arrays of two numbers take ten times as long.
_SOURCE_ADDRESS = (schema.FLOW_SRC_HI, schema.FLOW_SRC_LO)
_DESTINATION_ADDRESS = (schema.FLOW_DST_HI, schema.FLOW_DST_LO)


def hop_changes(context: Context, before: FlowRow, after: FlowRow, ttl_delta: int) -> list[str]:
    """What happened between two hops, in the order in which it happens."""
    changes = []
    via_before, via_after = before[schema.FLOW_VIA], after[schema.FLOW_VIA]
    tags_before, tags_after = vlan_tags(before), vlan_tags(after)
    retagged = tags_before != tags_after
    if via_before and not via_after:
        changes.append("decapsulated")
    if retagged and not _ends_with(tags_after, tags_before):
        changes.append("vlan-untagged")
    if before[schema.FLOW_FRAGMENTS] and not after[schema.FLOW_FRAGMENTS]:
        changes.append("reassembled")
    if _differ(before, after, _DESTINATION_ADDRESS) or ports(before)[1] != ports(after)[1]:
        changes.append("dnat")
    if ttl_delta < 0 or _has_new_source_mac(before, after):
        changes.append("routed")
    if _has_new_source(before, after, "dnat" in changes):
        changes.append("snat")
    if after[schema.FLOW_FRAGMENTS] and not before[schema.FLOW_FRAGMENTS]:
        changes.append("fragmented")
    if retagged and not _ends_with(tags_before, tags_after):
        changes.append("vlan-tagged")
    if via_after and not via_before:
        changes.append("encapsulated")
    if not {"routed", "encapsulated", "decapsulated"} & set(changes) and changes != ["dnat", "snat"]:
        if _crossed_the_wire(context, before, after):
            changes.append("wire")
        elif not retagged:
            changes.append("bridged")
    return changes


def _has_new_source_mac(before: FlowRow, after: FlowRow) -> bool:
    """Is the source MAC another one, as behind a router? Hops without Ethernet headers have no MACs to compare."""
    if before[schema.FLOW_SMAC] == after[schema.FLOW_SMAC]:
        return False
    return any(
        before[column] >= 0 and after[column] >= 0 and before[column] != after[column]
        for column in (schema.FLOW_SMAC, schema.FLOW_DMAC)
    )


def _has_new_source(before: FlowRow, after: FlowRow, dnat: bool) -> bool:
    """Has the source address or port changed?

    The source port of an ICMP query is its identifier, which DNAT may rewrite as well. That of an ICMP error belongs to
    the packet that it is about.
    """
    address_only = is_icmp_error(before) or (before[schema.FLOW_PROTO] in ICMP_PROTOCOLS and dnat)
    if _differ(before, after, _SOURCE_ADDRESS):
        return True
    return not address_only and bool(before[schema.FLOW_SPORT] != after[schema.FLOW_SPORT])


def _differ(before: FlowRow, after: FlowRow, columns: tuple[int, ...]) -> bool:
    return any(before[column] != after[column] for column in columns)


def _ends_with(tags: list[int], inner: list[int]) -> bool:
    """Are the last of these tags the inner ones? True also if both are the same."""
    return len(inner) <= len(tags) and tags[len(tags) - len(inner) :] == inner


def _crossed_the_wire(context: Context, before: FlowRow, after: FlowRow) -> bool:
    """Are these two hops network interfaces of two hosts?"""
    earlier, later = context.points[before[schema.FLOW_POINT]], context.points[after[schema.FLOW_POINT]]
    on_wire = earlier.role in _ROLES_ON_THE_WIRE and later.role in _ROLES_ON_THE_WIRE
    return on_wire and host_of(earlier.name) != host_of(later.name)
