"""The answer of each question, found without capnet: in the topology's JSON, in conntrack's lines, in tshark's rows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.conftest import PROJECT
from tests.conntrack import translations
from tests.tshark import Row
from tests.wire.expected import stored


class Recorded:
    """What programs outside of capnet said about a golden capture."""

    def __init__(self, name: str) -> None:
        self.path = PROJECT / "pcaps" / f"{name}.pcapng"
        self.topology: dict[str, Any] = json.loads((PROJECT / "pcaps" / f"{name}.topology.json").read_text())
        self.rows = stored(self.path)[1]
        self.points = [point["name"] for point in self.topology["points"]]

    def container(self, name: str) -> dict[str, Any]:
        return next(each for each in self.topology["containers"] if each["name"] == name)

    def mac(self, container: str) -> str:
        return str(self.container(container)["endpoints"][0]["mac"])

    def address(self, container: str) -> str:
        return str(self.container(container)["endpoints"][0]["addresses"][0].partition("/")[0])

    def interface(self, host: str, name: str) -> dict[str, Any]:
        interfaces = next(each for each in self.topology["hosts"] if each["name"] == host)["interfaces"]
        return next(each for each in interfaces if each["name"] == name)

    def nic(self, host: str) -> str:
        return str(self.interface(host, "ens33")["addresses"][0].partition("/")[0])

    def translated(self, proto: str, source: str) -> tuple[object, ...]:
        """(src, sport, dst, dport, id) of a connection behind its translation, as conntrack says."""
        entries = translations(self.path.with_suffix(".topology.json"))
        return next(each.after for each in entries if each.proto == proto and each.before[0] == source)

    def at(self, point: str, **fields: str) -> list[Row]:
        """tshark's rows of a point with these values."""
        number = str(self.points.index(point))
        return [row for row in self.rows if row["point"] == number and fields.items() <= row.items()]

    def ttl(self, point: str, source: str, target: str) -> str:
        return self.at(point, src=source, dst=target, icmp_type="8")[0]["ttl"]


def _dnat(recorded: Recorded) -> str:
    _, _, address, port, _ = recorded.translated("tcp", recorded.nic("B"))
    return f"{address}:{port}"


def _where(recorded: Recorded, **fields: str) -> str:
    return "+".join(point for point in recorded.points if recorded.at(point, **fields))


def _passes(recorded: Recorded, point: str, source: str, target: str) -> str:
    return "yes" if recorded.at(point, src=source, dst=target, icmp_type="8") else "no"


def _way_back(recorded: Recorded) -> str:
    first, b = recorded.address("one"), recorded.nic("B")
    request = recorded.at("B/ens33", src=first, dst=b, icmp_type="8")[0]
    reply = {"src": b, "dst": first, "icmp_type": "0", "icmp_id": request["icmp_id"]}
    assert recorded.at("B/ens33", **reply)
    return "reply" if recorded.at("A/one/eth0", **reply) else "no-reply"


def _own_host(recorded: Recorded) -> str:
    a, web = recorded.nic("A"), recorded.address("web")
    assert recorded.at("A/ens33", arp_op="1", src=a, dst=web)
    answered = recorded.at("A/ens33", arp_op="2", src=web, dst=a) or recorded.at("A/ens33", src=web, dst=a)
    return "answered" if answered else "silence"


# Lesson → the value of the right choice of each of its questions, in order.
TRUTHS: dict[str, list[Callable[[Recorded], str]]] = {
    "none": [
        lambda it: str(len(it.container("bbox")["endpoints"])),
        lambda it: _where(it, proto="1"),
        lambda it: it.at("A/bbox/lo", proto="1")[0]["smac"],
    ],
    "host": [
        lambda it: it.at("B/ens33", src=it.nic("A"), icmp_type="8")[0]["smac"],
        lambda it: _passes(it, "A/docker0", it.nic("A"), it.nic("B")),
        lambda it: it.ttl("B/ens33", it.nic("A"), it.nic("B")),
    ],
    "bridge": [
        lambda it: it.at("A/web/eth0", src=it.address("bbox"), dport="80")[0]["smac"],
        lambda it: str(it.translated("icmp", it.address("bbox"))[0]),
        lambda it: it.ttl("B/ens33", it.nic("A"), it.nic("B")),
        _dnat,
        lambda it: str(it.translated("tcp", it.nic("B"))[0]),
    ],
    "container": [
        lambda it: str(len(it.container("bbox")["endpoints"])),
        lambda it: it.at("A/other/eth0", dst=it.address("other"), icmp_type="8")[0]["smac"],
        lambda it: _where(it, src=it.address("web"), dst=it.address("web"), proto="6"),
    ],
    "overlay": [
        lambda it: it.at("B/ens33", tunnel="vxlan")[0]["src"],
        lambda it: next(
            each["options"]["com.docker.network.driver.overlay.vxlanid_list"]
            for each in it.topology["networks"]
            if each["name"] == "vxlanA"
        ),
        lambda it: it.ttl("B/right/eth0", it.address("left"), it.address("right")),
        lambda it: it.at("B/ens33", tunnel="vxlan")[0]["wirelen"],
    ],
    "macvlan": [
        lambda it: it.at("B/ens33", src=it.address("bbox"), icmp_type="8")[0]["smac"],
        lambda it: _passes(it, "B/ens33", it.address("bbox"), it.address("web")),
        _own_host,
    ],
    "ipvlan-l2": [
        lambda it: it.at("B/ens33", src=it.address("one"), icmp_type="8")[0]["smac"],
        lambda it: "ip.dst" if it.mac("one") == it.mac("two") else "eth.dst",
        lambda it: _passes(it, "A/ens33", it.address("one"), it.address("two")),
    ],
    "ipvlan-l3": [
        lambda it: str(len([row for row in it.at("A/one/eth0") if "arp_op" in row])),
        lambda it: it.ttl("A/two/eth0", it.address("one"), it.address("two")),
        _way_back,
    ],
}  # fmt: skip

# (lesson, number of the question from 0) → the fields of tshark's rows that the question counts at each point.
COUNTED: dict[tuple[str, int], Callable[[Recorded], dict[str, str]]] = {
    ("none", 1): lambda it: {"proto": "1"},
    ("host", 1): lambda it: {"src": it.nic("A"), "dst": it.nic("B"), "icmp_type": "8"},
    ("container", 2): lambda it: {"src": it.address("web"), "dst": it.address("web"), "proto": "6"},
    ("macvlan", 1): lambda it: {"src": it.address("bbox"), "dst": it.address("web"), "icmp_type": "8"},
    ("ipvlan-l2", 2): lambda it: {"src": it.address("one"), "dst": it.address("two"), "icmp_type": "8"},
}
