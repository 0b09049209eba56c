"""What kernels said, with new addresses and names: texts of `iptables-save -c`, `ip -j`, `sysctl` and their like.

Replaced are addresses, MACs, names of interfaces, comments, prefixes of logs, and tables, chains and sets that are not
Docker's or the kernel's. Numbers, words of the programs and times stay: they are what the finding rests on.
A text that has an address or name of the capture nevertheless is left out (`without_remaining`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from capnet.reduce.anonymise.frames import Anonymiser
from capnet.witnesses import DroppedPackets, NamespaceWitness, Snapshot, Witnesses

_ADDRESS = re.compile(
    r"(?<![\w.:])(?:(?P<mac>[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5})"
    r"|(?P<v4>\d{1,3}(?:\.\d{1,3}){3})|(?P<v6>[0-9a-fA-F]{0,4}:[0-9a-fA-F:]*:[0-9a-fA-F:.]*))(?![\w:]|\.\d)"
)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_CHAIN = re.compile(r"^:(\S+) - ", re.MULTILINE)  # of the user, in the format of iptables-save
# Values of options that users choose; iptables-save(8) quotes them only if they are more than one word.
_CHOSEN = re.compile(
    r"(--(?:comment|log-prefix|nflog-prefix|match-set|add-set|del-set|map-set|name|hashlimit-name|string|hex-string|path"
    r"|domain|[ug]id-owner) )(?!\")(\S+)"
)
_INTERFACE = re.compile(r"((?:-[io]|--physdev-(?:in|out)|[io]ifname) (?:! )?)(?!\")(\S+)")
_NAMED = ("table", "chain", "set", "map", "flowtable", "counter", "quota", "limit", "ct helper", "secmark")  # of nft
_OF_ALL_HOSTS = re.compile(
    r"DOCKER[-A-Z0-9]*|(KUBE|FLANNEL|CNI|cali|CILIUM|LIBVIRT)\S*|filter|nat|mangle|raw|security|firewalld"
    r"|(?i:input|output|forward|prerouting|postrouting|ingress|egress|broute|brouting)"
)
_DEVICE_KEYS = ("ifname", "dev", "device", "link", "master", "label", "in", "out", "iif", "oif")
_WORD = re.compile(r"[A-Za-z0-9]+")
_KEPT_KEYS = ("time", "id", "passed", "ident", "family", "verdict", "location", "reason", "how")


def anonymised(witnesses: Witnesses, anonymiser: Anonymiser) -> Witnesses:
    """The new witnesses. What is told of programs' versions is left out."""
    texts = _Texts(anonymiser, _devices(witnesses), _rule_names(witnesses))
    point, owner = anonymiser.names.point, anonymiser.names.owners
    return Witnesses(
        {},
        [
            NamespaceWitness(
                owner(namespace.name),
                [point(name) for name in namespace.points],
                texts.snapshot(namespace.before),
                texts.snapshot(namespace.after),
                [texts.text(line) for line in namespace.trace],
                namespace.lost,
            )
            for namespace in witnesses.namespaces
        ],
        [
            DroppedPackets(
                [point(name) for name in drops.points], [texts.text(line) for line in drops.lines], drops.lost
            )
            for drops in witnesses.drops
        ],
    )


def without_remaining(witnesses: Witnesses, replaced: Iterable[str]) -> Witnesses:
    """The witnesses without the texts that still have one of these addresses or names as a word of its own."""
    originals = {name for name in replaced if not name.isdigit()}

    def is_clean(text: str) -> bool:
        return originals.isdisjoint(re.findall(r"[\w.:]+", text)) and originals.isdisjoint(_WORD.findall(text))

    def of_snapshot(snapshot: Snapshot | None) -> Snapshot | None:
        if snapshot is None:
            return None
        outputs = {name: text for name, text in snapshot.outputs.items() if is_clean(text)}
        return Snapshot(snapshot.time, outputs, snapshot.cut)

    return Witnesses(
        witnesses.recorded,
        [
            replace(
                namespace,
                before=of_snapshot(namespace.before),
                after=of_snapshot(namespace.after),
                trace=list(filter(is_clean, namespace.trace)),
            )
            for namespace in witnesses.namespaces
        ],
        [replace(drops, lines=list(filter(is_clean, drops.lines))) for drops in witnesses.drops],
    )


def _devices(witnesses: Witnesses) -> set[str]:
    """Names of interfaces in all namespaces: at points, and as `ip -j address` lists them."""
    names = {point.rpartition("/")[2] for namespace in witnesses.namespaces for point in namespace.points}
    for namespace in witnesses.namespaces:
        for snapshot in (namespace.before, namespace.after):
            listed = snapshot.outputs.get("ip -s -j address", "") if snapshot else ""
            names |= set(re.findall(r'"ifname":"([^"\\]+)"', listed))
    return names


def _rule_names(witnesses: Witnesses) -> set[str]:
    """Names of chains, and of nft's tables, sets and their like, but for those that many hosts have."""
    names: set[str] = set()
    for namespace in witnesses.namespaces:
        for snapshot in (namespace.before, namespace.after):
            for text in snapshot.outputs.values() if snapshot else ():
                names |= set(_CHAIN.findall(text))
                names |= _nft_names(text) if text.startswith('{"nftables"') else set()
        names |= {str(event.get(key, "")) for event in _events(namespace.trace) for key in ("table", "chain")}
    return {name for name in names if name and not _OF_ALL_HOSTS.fullmatch(name)}


def _nft_names(text: str) -> set[str]:
    """What `nft -j list ruleset` names; nothing if its output was cut."""
    try:
        listed = json.loads(text)["nftables"]
    except (ValueError, RecursionError, KeyError):
        return set()
    return {
        str(entry[kind].get("name", "")) for entry in listed for kind in _NAMED if isinstance(entry.get(kind), dict)
    }


def _events(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The events of a trace, a JSON object each."""
    for line in lines:
        with suppress(ValueError, RecursionError):
            event = json.loads(line)
            if isinstance(event, dict):
                yield event


class _Texts:
    """Rewrites texts. `devices`, `rules`: names that are replaced wherever they stand as words of their own."""

    def __init__(self, anonymiser: Anonymiser, devices: Iterable[str], rules: Iterable[str]) -> None:
        self._anonymiser = anonymiser
        self._name_of: dict[str, Callable[[str], str]] = dict.fromkeys(rules, anonymiser.names.text)
        self._name_of |= dict.fromkeys(devices, anonymiser.names.device)
        names = sorted(filter(None, self._name_of), key=len, reverse=True)
        self._names = re.compile(rf"(?<![\w.-])(?:{'|'.join(map(re.escape, names))})(?![\w-])" if names else r"(?!)")

    def snapshot(self, snapshot: Snapshot | None) -> Snapshot | None:
        """One moment of a namespace."""
        if snapshot is None:
            return None
        outputs = {name: self.text(text) for name, text in snapshot.outputs.items()}
        return Snapshot(snapshot.time, outputs, list(snapshot.cut))

    def text(self, text: str) -> str:
        """A text of a program; of JSON, each string of it."""
        if text[:1] in ("[", "{"):
            try:
                return json.dumps(self._value(json.loads(text)), separators=(",", ":"))
            except (ValueError, RecursionError):
                return ""
        return self._plain(text)

    def _value(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: self._value(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [self._value(item, key) for item in value]
        if not isinstance(value, str) or key in _KEPT_KEYS:
            return value
        if key in ("ifalias", "comment", "prefix"):
            return self._anonymiser.names.text(value)
        return self._anonymiser.names.device(value) if key in _DEVICE_KEYS else self._plain(value)

    def _plain(self, text: str) -> str:
        names = self._anonymiser.names
        text = _CHOSEN.sub(lambda hit: hit[1] + names.text(hit[2]), text)
        text = _INTERFACE.sub(lambda hit: hit[1] + names.device(hit[2]), text)
        text = _QUOTED.sub(lambda hit: f'"{names.text(hit[1])}"', text)
        text = self._names.sub(lambda hit: self._name_of[hit[0]](hit[0]), text)
        return _ADDRESS.sub(self._address, text)

    def _address(self, hit: re.Match[str]) -> str:
        addresses = self._anonymiser.addresses
        if hit["mac"]:
            return addresses.mac(bytes.fromhex(hit["mac"].replace(":", ""))).hex(":")
        try:
            return addresses.text(str(ip_address(hit[0])))
        except ValueError:
            return hit[0]
