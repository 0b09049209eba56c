"""Redis: requests for the nodes of a cluster or for the master that Sentinel knows, and the nodes that answers name.

Requests are arrays of RESP, `*2 $7 CLUSTER $5 SLOTS` in lines; answers are those of CLUSTER SLOTS, SHARDS and NODES, of
SENTINEL get-master-addr-by-name, and the errors MOVED and ASK, which come for any command. An empty host and `?` name
nothing.
"""

from __future__ import annotations

import re

HEADER = 10  # octets by which a request is chosen
CLUSTER, SENTINEL = "redis-cluster", "redis-sentinel"

_REQUEST = re.compile(rb"\*\d{1,4}\r\n\$\d")
_TOPOLOGY = re.compile(
    rb"\*\d\r\n\$(?:7\r\n(?P<cluster>CLUSTER)\r\n\$[56]\r\n(?:SLOTS|SHARDS|NODES)"
    rb"|8\r\nSENTINEL\r\n\$23\r\nGET-MASTER-ADDR-BY-NAME)\r\n",
    re.IGNORECASE,
)
_HOST = rb"([0-9A-Za-z_.:-]{1,253})"
_MOVED = re.compile(rb"-(?:MOVED|ASK) \d{1,5} " + _HOST + rb":(\d{1,5})\r\n")
_SLOTS = re.compile(rb"\$\d+\r\n" + _HOST + rb"\r\n:(\d{1,5})\r\n\$40\r\n")  # the id of a node has 40 letters
_SHARDS = re.compile(rb"\$4\r\nport\r\n:(\d{1,5})\r\n(?:\$8\r\ntls-port\r\n:\d+\r\n)?\$2\r\nip\r\n\$\d+\r\n[^\r]*\r\n"
                     rb"\$8\r\nendpoint\r\n\$\d+\r\n" + _HOST + rb"\r\n")  # fmt: skip
_NODES = re.compile(rb"^[0-9a-f]{40} " + _HOST + rb":(\d{1,5})(?:@\d+)?[ ,]", re.MULTILINE)
_MASTER = re.compile(rb"\*2\r\n\$\d+\r\n" + _HOST + rb"\r\n\$\d\r\n(\d{1,5})\r\n")


def is_first_request(octets: bytes) -> bool:
    """Does a client begin with an array of RESP?"""
    return _REQUEST.match(octets) is not None


def topology_kind(octets: bytes) -> str | None:
    """CLUSTER or SENTINEL for a request that asks for nodes, None for others."""
    match = _TOPOLOGY.match(octets)
    return None if not match else CLUSTER if match["cluster"] else SENTINEL


def moved_to(octets: bytes) -> list[tuple[str, int]]:
    """Where an error MOVED or ASK sends a client, [] for other answers."""
    match = _MOVED.match(octets)
    return [(match[1].decode(), int(match[2]))] if match else []


def nodes(kind: str, octets: bytes) -> list[tuple[str, int]]:
    """Host and port of the nodes that the answer to a request of this kind names."""
    if kind == SENTINEL:
        match = _MASTER.match(octets)
        return [(match[1].decode(), int(match[2]))] if match else []
    pairs = [(host, port) for pattern in (_SLOTS, _NODES) for host, port in pattern.findall(octets)]
    pairs += [(host, port) for port, host in _SHARDS.findall(octets)]
    return [(host.decode(), int(port)) for host, port in dict.fromkeys(pairs)]
