"""From which tunnel ends the stations of an overlay speak.

Input: frames that tunnels carry, flows, ARP messages. Output: outer addresses, by the address of a station. Limits:
kinds with a VNI; nothing in a sample.
"""

from __future__ import annotations

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.facts.overlay.carried_frames import VNI_BITS, CarriedFrames, carried_frames, tunnel_ends
from capnet.wire.addresses import address_text, address_value


@derived
def all_carried_frames(context: Context) -> CarriedFrames:
    """`carried_frames`, read once."""
    return carried_frames(context)


def ends_of_address(context: Context, kind: int, vni: int, address: str) -> set[str]:
    """The ends that send frames of the MACs that speak for an address in this network, as sender of ARP or of IP."""
    if context.sample_share < 1.0:
        return set()
    high, low = address_value(address)
    flows, arps = context.flows, context.arps
    is_its = (flows[:, schema.FLOW_SRC_HI] == high) & (flows[:, schema.FLOW_SRC_LO] == low)
    is_its &= (flows[:, schema.FLOW_VIA] == kind) & (flows[:, schema.FLOW_VIA_VNI] == vni)
    is_sender = (arps[:, schema.ARP_VIA] == kind) & (arps[:, schema.ARP_VIA_VNI] == vni)
    is_sender &= arps[:, schema.ARP_SENDER_LO] == low
    macs = {*flows[is_its, schema.FLOW_SMAC].tolist(), *arps[is_sender, schema.ARP_SENDER_MAC].tolist()}
    return ends_of_macs(context, kind, vni, macs) if macs else set()


def ends_of_macs(context: Context, kind: int, vni: int, macs: set[int]) -> set[str]:
    """The ends that send frames of these MACs in this network."""
    carried = all_carried_frames(context)
    is_its = (carried.network == (kind << VNI_BITS) + vni) & is_one_of(carried.source_mac, tuple(macs))
    return {address_text(*tunnel_ends(context)[end].tolist()) for end in set(carried.source[is_its].tolist())}


def askers_between(context: Context, kind: int, vni: int, ends: set[str]) -> set[int]:
    """The MACs whose messages of ARP pass between two ends of a network."""
    if context.sample_share < 1.0:
        return set()
    carried = all_carried_frames(context)
    numbers = [number for number, end in enumerate(tunnel_ends(context).tolist()) if address_text(*end) in ends]
    is_its = (carried.network == (kind << VNI_BITS) + vni) & (carried.row < 0)
    is_its &= is_one_of(carried.source, tuple(numbers)) & is_one_of(carried.destination, tuple(numbers))
    return set(carried.source_mac[is_its].tolist())
