"""From which tunnel ends the stations of an overlay speak.

Input: frames that tunnels carry, flows, ARP messages. Output: outer addresses, by the address of a station. Limits:
kinds with a VNI; nothing in a sample.
"""

from __future__ import annotations

import numpy as np

from capnet.analysis.core import schema
from capnet.analysis.core.arrays import distinct_rows, is_one_of
from capnet.analysis.core.context import Context
from capnet.analysis.core.derived import derived
from capnet.analysis.facts.overlay.carried_frames import (
    KINDS_WITH_VNI,
    VNI_BITS,
    CarriedFrames,
    carried_frames,
    tunnel_ends,
)
from capnet.wire.addresses import address_text, address_value


@derived
def all_carried_frames(context: Context) -> CarriedFrames:
    """`carried_frames`, read once."""
    return carried_frames(context)


def ends_of_address(context: Context, kind: int, vni: int, address: str) -> set[str]:
    """The ends that send frames of the MACs that speak for an address in this network, as sender of ARP or of IP."""
    macs = _macs_of_addresses(context).get((kind, vni, *address_value(address)), set())
    return {end for mac in macs for end in ends_of_mac(context, kind, vni, mac)}


def ends_of_mac(context: Context, kind: int, vni: int, mac: int) -> set[str]:
    """The ends that send frames of a MAC in this network."""
    return _ends_of_macs(context).get(((kind << VNI_BITS) + vni, mac), set())


@derived
def _macs_of_addresses(context: Context) -> dict[tuple[int, int, int, int], set[int]]:
    """Kind, VNI and the halves of an address → the MACs that speak for it in that network."""
    flows, arps = context.flows, context.arps
    columns = [schema.FLOW_VIA, schema.FLOW_VIA_VNI, *schema.FLOW_SRC, schema.FLOW_SMAC]
    senders = np.zeros((len(arps), 5), dtype=np.int64)
    senders[:, [0, 1, 3, 4]] = arps[
        :, [schema.ARP_VIA, schema.ARP_VIA_VNI, schema.ARP_SENDER_LO, schema.ARP_SENDER_MAC]
    ]
    rows = np.concatenate((flows[:, columns], senders))
    macs: dict[tuple[int, int, int, int], set[int]] = {}
    for kind, vni, high, low, mac in distinct_rows(rows[is_one_of(rows[:, 0], KINDS_WITH_VNI)]).tolist():
        macs.setdefault((kind, vni, high, low), set()).add(mac)
    return macs


@derived
def _ends_of_macs(context: Context) -> dict[tuple[int, int], set[str]]:
    """Network and MAC → the ends that send its frames."""
    if context.sample_share < 1.0:
        return {}
    carried, addresses = all_carried_frames(context), [address_text(*end) for end in tunnel_ends(context).tolist()]
    ends: dict[tuple[int, int], set[str]] = {}
    rows = np.column_stack((carried.network, carried.source_mac, carried.source))
    for network, mac, end in distinct_rows(rows).tolist():
        ends.setdefault((network, mac), set()).add(addresses[end])
    return ends


@derived
def _numbers_of_ends(context: Context) -> dict[str, int]:
    """Address of a tunnel's end → its row among all ends."""
    return {address_text(*end): number for number, end in enumerate(tunnel_ends(context).tolist())}


def askers_between(context: Context, kind: int, vni: int, ends: set[str]) -> set[int]:
    """The MACs whose messages of ARP pass between two ends of a network."""
    if context.sample_share < 1.0:
        return set()
    carried = all_carried_frames(context)
    numbers = [number for end in ends if (number := _numbers_of_ends(context).get(end)) is not None]
    is_its = (carried.network == (kind << VNI_BITS) + vni) & (carried.row < 0)
    is_its &= is_one_of(carried.source, tuple(numbers)) & is_one_of(carried.destination, tuple(numbers))
    return set(carried.source_mac[is_its].tolist())
