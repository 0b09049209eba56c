"""What CNI plugins answered when a container got an interface: the network's name, and published ports.

Input: a file of /var/lib/cni/results, which programs leave there that call plugins through libcni (containernetworking/
cni, libcni/api.go: cachedInfo): containerd, CRI-O, nerdctl.
"""

from __future__ import annotations

import json
from base64 import b64decode
from binascii import Error
from collections.abc import Iterator
from typing import Any

from capnet.quick_tuple import NamedTuple
from capnet.topology import PublishedPort

_KIND = "cniCacheV1"


class CniAttachment(NamedTuple):
    """An interface that plugins made."""

    container: str  # what they know the container by
    interface: str  # inside
    network: str
    ports: tuple[PublishedPort, ...]


def attachment_of(content: dict[str, Any]) -> CniAttachment | None:
    """The attachment of a cached answer; None for another file."""
    if content.get("kind") != _KIND:
        return None
    names = [content.get(key) for key in ("containerId", "ifName", "networkName")]
    if not all(isinstance(name, str) and name for name in names):
        return None
    container, interface, network = map(str, names)
    mappings = (content.get("capabilityArgs") or {}).get("portMappings")
    ports = ports_of(mappings) if _maps_ports(content.get("config")) else ()
    return CniAttachment(container, interface, network, ports)


def _maps_ports(config: Any) -> bool:
    """Does a plugin of the network publish ports? Runtimes hand them over in any case."""
    try:
        network = json.loads(b64decode(config or "", validate=True))
    except (Error, TypeError, ValueError):
        return False
    plugins = network.get("plugins") if isinstance(network, dict) else None
    return any(
        isinstance(plugin, dict) and bool((plugin.get("capabilities") or {}).get("portMappings"))
        for plugin in plugins or []
    )


def ports_of(mappings: Any) -> tuple[PublishedPort, ...]:
    """The ports of a runtime's list of mappings; none if it is no list."""
    return tuple(_ports(mappings)) if isinstance(mappings, list) else ()


def _ports(mappings: list[Any]) -> Iterator[PublishedPort]:
    """Keys begin with a small or a large letter (containerd 1.6: `HostPort`). Host port 0 publishes nothing."""
    for mapping in mappings:
        fields = {str(key).lower(): value for key, value in mapping.items()} if isinstance(mapping, dict) else {}
        host_port, container_port = fields.get("hostport"), fields.get("containerport")
        if isinstance(host_port, int) and isinstance(container_port, int) and host_port:
            yield PublishedPort(
                proto=str(fields.get("protocol") or "tcp").lower(),
                host_ip=str(fields.get("hostip") or "0.0.0.0"),
                host_port=host_port,
                container_port=container_port,
            )
