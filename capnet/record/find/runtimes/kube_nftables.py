"""Services of Kubernetes in the verdict maps that kube-proxy keeps in mode nftables.

Input: what `nft -j list map` prints. Output: `MapElement`s. kube-proxy names the chain of a service's port
service-HASH-NAMESPACE/SERVICE/PROTO/PORT, or external-… where clients of outside come in, and notes
NAMESPACE/SERVICE:PORT in the comment of an element without endpoints (kubernetes, pkg/proxy/nftables/proxier.go).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from capnet.quick_tuple import NamedTuple

MAPS = ("service-ips", "service-nodeports", "no-endpoint-services", "no-endpoint-nodeports")
LIST = (
    f"for map in {' '.join(MAPS)}; do nft -j list map ip kube-proxy $map; nft -j list map ip6 kube-proxy $map; done "
    "2>/dev/null"
)
_CHAIN = re.compile(r"(?:service|external)-[A-Z0-9]{8}-(?P<namespace>[^/]+)/(?P<name>[^/]+)/[a-z]+/(?P<port>[^/]*)")
_COMMENT = re.compile(r"(?P<namespace>[a-z0-9-]+)/(?P<name>[a-z0-9.-]+)(?::(?P<port>[a-z0-9-]*))?")


class MapElement(NamedTuple):
    """An address and port, or a node port (`address` is empty then), and the service that it leads to."""

    namespace: str
    name: str
    port_name: str
    address: str
    proto: str
    port: int


def map_elements(line: str) -> Iterator[MapElement]:
    """The services of one listing; none of a text that is no listing of kube-proxy's maps."""
    try:
        objects = json.loads(line)["nftables"]
        for entry in objects:
            about = entry.get("map", {})
            if about.get("table") == "kube-proxy" and about.get("name") in MAPS:
                yield from (each for pair in about.get("elem", []) if (each := _element(*pair)) is not None)
    except (ValueError, KeyError, TypeError, AttributeError):
        return  # cut, or another program's


def _element(key: Any, verdict: dict[str, Any]) -> MapElement | None:
    comment = ""
    if "elem" in key:
        key, comment = key["elem"]["val"], key["elem"].get("comment", "")
    chain = (verdict.get("goto") or verdict.get("jump") or {}).get("target", "")
    named = _CHAIN.fullmatch(chain) or _COMMENT.fullmatch(comment)
    if named is None:
        return None
    *address, proto, port = key["concat"]
    return MapElement(
        named["namespace"], named["name"], named["port"] or "", address[0] if address else "", str(proto), int(port)
    )
