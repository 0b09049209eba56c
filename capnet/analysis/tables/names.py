"""The names of the tables of `capnet export` and `capnet sql`."""

from __future__ import annotations

# Name → what its rows are, in a line.
TABLES = {
    "frames": "captured frames, and frames inside tunnels",
    "flows": "one direction of a connection at one point",
    "conversations": "both directions of a connection at one point",
    "protocols": "the share of each protocol",
    "nat": "translations: before, after, and where each was seen",
    "tunnels": "VXLAN and other tunnels: ends, id, who is inside",
    "stations": "MAC addresses, and the addresses they speak for",
    "paths": "hops of the paths that flows take, in their order",
    "findings": "judgements: name, level, a sentence, what to do",
    "points": "capture points",
}
