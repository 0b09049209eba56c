"""Counts ARP: who asked for whom, who answered, and the most equal packets within one window of time."""

from __future__ import annotations

from capnet.analysis.aggregate.kernels.hash_table import insert, lookup
from capnet.analysis.core import schema
from capnet.jit.arrays import Int64Array
from capnet.jit.inline import inline
from capnet.jit.kernel import kernel
from capnet.wire import fields


@kernel
def count_arps(rows: Int64Array, n: int, base: int, index: Int64Array, arps: Int64Array, key: Int64Array) -> None:
    """Count the ARP packets among rows `0..n` of a capture whose first point is number `base`."""
    for i in range(n):
        r = i * fields.WIDTH
        if rows[r + fields.LAYERS] & fields.LAYER_ARP == 0:
            continue
        key[schema.ARP_POINT] = rows[r + fields.POINT] + base
        key[schema.ARP_VIA] = rows[r + fields.VIA]
        key[schema.ARP_VIA_VNI] = rows[r + fields.VIA_VNI]
        key[schema.ARP_OPERATION] = rows[r + fields.ARP_OP]
        key[schema.ARP_SENDER_MAC] = rows[r + fields.ARP_SHA]
        key[schema.ARP_SENDER_LO] = rows[r + fields.SRC_LO]
        key[schema.ARP_TARGET_LO] = rows[r + fields.DST_LO]
        row = lookup(index, arps, schema.ARP_WIDTH, schema.ARP_KEY, key)
        if row < 0:
            row = insert(index, row, arps, schema.ARP_WIDTH, schema.ARP_KEY, key)
            a = row * schema.ARP_WIDTH
            arps[a + schema.ARP_FIRST] = rows[r + fields.TIME]
            arps[a + schema.ARP_FIRST_FRAME] = rows[r + fields.FRAME]
            arps[a + schema.ARP_ETH_SOURCE] = rows[r + fields.SMAC]
            arps[a + schema.ARP_ETH_DESTINATION] = rows[r + fields.DMAC]
            arps[a + schema.ARP_WINDOW] = rows[r + fields.TIME]
            arps[a + schema.ARP_VLAN] = rows[r + fields.VLAN]
        a = row * schema.ARP_WIDTH
        arps[a + schema.ARP_LAST] = rows[r + fields.TIME]
        arps[a + schema.ARP_PACKETS] += 1
        count_burst(rows[r + fields.TIME], arps, a)


@inline
def count_burst(time: int, arps: Int64Array, a: int) -> None:
    """Count a packet in the window of its row at `arps[a:]`, and keep the fullest window."""
    if time - arps[a + schema.ARP_WINDOW] >= schema.WINDOW_NS:
        arps[a + schema.ARP_WINDOW] = time
        arps[a + schema.ARP_WINDOW_PACKETS] = 0
    arps[a + schema.ARP_WINDOW_PACKETS] += 1
    if arps[a + schema.ARP_WINDOW_PACKETS] > arps[a + schema.ARP_BURST]:
        arps[a + schema.ARP_BURST] = arps[a + schema.ARP_WINDOW_PACKETS]
        arps[a + schema.ARP_BURST_FIRST] = arps[a + schema.ARP_WINDOW]
        arps[a + schema.ARP_BURST_LAST] = time
