"""Interfaces that are offered to Wireshark, and what `capnet capture` is told for each of them.

capnet:web                  a container of the default Docker host
capnet-network:shop         all containers on one of its networks
capnet-host:docker          all its containers
capnet:A/web …              the same of a host with a name
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from capnet.extcap.docker_hosts import HostUrl
from capnet.extcap.docker_socket import ApiRequest, ask
from capnet.quick_tuple import NamedTuple
from capnet.report.escape import visible

CONTAINER, NETWORK, HOST = "capnet:", "capnet-network:", "capnet-host:"
DEFAULT_HOST = "docker"  # what the default host is called among interfaces
MAX_INTERFACES = 1000  # of a host: Wireshark asks for the options of each of them

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}").fullmatch  # Docker's own rule for names of containers
_CODED = re.compile(r"(?:[A-Za-z0-9_.-]|%[0-9A-F]{2})+").fullmatch
_SPOILS_SENTENCE = re.compile(r"[{}]")  # braces delimit the values of Wireshark's sentences
_NOT_WIRED = ("host", "null")  # drivers of networks that have no wire of their own


class OfferedInterface(NamedTuple):
    """`value` is what `tshark -i` takes, `display` what Wireshark shows."""

    value: str
    display: str


class Target(NamedTuple):
    """What an interface means: a container or a network of a host; neither: all containers."""

    host: str  # empty: the default one
    containers: list[str]
    networks: list[str]


def offered(hosts: Sequence[HostUrl]) -> list[OfferedInterface]:
    """The interfaces of all hosts that answer; of a host that only ssh reaches, all its containers as one."""
    local = [host for host in hosts if host.socket_path]
    paths = ("/containers/json", "/networks")
    answers = ask([ApiRequest(host.socket_path, path) for host in local for path in paths])
    interfaces: list[OfferedInterface] = []
    for host, containers, networks in zip(local, answers[::2], answers[1::2], strict=True):
        if isinstance(containers, list):
            interfaces += interfaces_of(host, containers, networks if isinstance(networks, list) else [])
    for host in hosts:
        if host.url.startswith("ssh://"):  # to ask it takes longer than a list of interfaces may
            interfaces.append(_whole_host(host, f" at {_without_password(host.url)}"))
    return interfaces


def target_of(value: str) -> Target | None:
    """What the interface means; None if the name is none of capnet's."""
    kind, colon, rest = value.partition(":")
    if kind + colon == HOST and _PLAIN(rest):
        return Target("" if rest == DEFAULT_HOST else rest, [], [])
    host, _, word = rest.rpartition("/")
    if kind + colon == CONTAINER and _PLAIN(word):
        return Target(host, [word], [])
    if kind + colon == NETWORK and _CODED(word):
        return Target(host, [], [_decoded(word)])
    return None


def interfaces_of(host: HostUrl, containers: Sequence[Any], networks: Sequence[Any]) -> Iterator[OfferedInterface]:
    """The interfaces of a host whose daemon lists these containers and networks; those without containers are none."""
    drivers = {_text(entry, "Name"): _text(entry, "Driver") for entry in networks}
    prefix = f"{host.name}/" if host.name else ""
    of_host = f" of {host.name}" if host.name else ""
    used: set[str] = set()  # networks
    described = []
    for entry in containers[:MAX_INTERFACES]:
        name = next(iter(_names(entry)), "").rpartition("/")[2]
        if not _PLAIN(name):
            continue
        endpoints = _endpoints(entry)
        used |= endpoints.keys()
        where = ", ".join(filter(None, (f"{net} {_text(end, 'IPAddress')}".strip() for net, end in endpoints.items())))
        described.append((name, f"container {name}{of_host}" + (f" ({where})" if where else "")))
    yield _whole_host(host, "")
    for name, text in sorted(described):
        yield OfferedInterface(f"{CONTAINER}{prefix}{name}", _shown(text))
    for name in sorted(used):
        driver = drivers.get(name, "")
        if name and driver not in _NOT_WIRED:
            yield OfferedInterface(
                f"{NETWORK}{prefix}{_coded(name)}", _shown(f"network {name}{of_host} ({driver or '?'})")
            )


def _whole_host(host: HostUrl, where: str) -> OfferedInterface:
    name = host.name or DEFAULT_HOST
    return OfferedInterface(f"{HOST}{name}", _shown(f"all containers of {'Docker' if not host.name else name}{where}"))


def _names(entry: Any) -> list[str]:
    names = entry.get("Names") if isinstance(entry, dict) else None
    # `--link` gives a container a second name, /CONTAINER/ALIAS: its own is the one with a single slash.
    return sorted((name for name in names or [] if isinstance(name, str)), key=lambda name: name.count("/"))


def _endpoints(entry: Any) -> dict[str, Any]:
    settings = entry.get("NetworkSettings") if isinstance(entry, dict) else None
    networks = settings.get("Networks") if isinstance(settings, dict) else None
    return networks if isinstance(networks, dict) else {}


def _text(entry: Any, key: str) -> str:
    value = entry.get(key) if isinstance(entry, dict) else None
    return value if isinstance(value, str) else ""


def _coded(name: str) -> str:
    """A network's name, which may hold anything, in the characters that names of interfaces have: `my%20net`."""
    return re.sub(r"[^A-Za-z0-9_.-]", lambda char: "".join(f"%{byte:02X}" for byte in char[0].encode()), name)


def _decoded(word: str) -> str:
    data = re.sub(rb"%([0-9A-F]{2})", lambda code: bytes.fromhex(code[1].decode()), word.encode())
    return data.decode("utf-8", "replace")


def _shown(text: str) -> str:
    """A text without what would end a value, a sentence or a line of Wireshark's list."""
    return _SPOILS_SENTENCE.sub("?", visible(text))[:200]


def _without_password(url: str) -> str:
    return re.sub(r"(//[^/@:]*):[^/@]*@", r"\1@", url)
