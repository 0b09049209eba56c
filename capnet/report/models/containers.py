"""Sentences about containers: which there are, and how they talk to each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from capnet import language
from capnet.analysis.core.contract.document import Document, row_values
from capnet.analysis.core.wording import Text
from capnet.quick_tuple import NamedTuple
from capnet.report.text import count, spelled
from capnet.report.words import Words

MIN_MODEL_CONFIDENCE = 0.5  # less is a guess, and a guess is no headline
Share = Literal["all", "some", "none"]
UNANSWERED = ("looped", "stops-at", "answer-stops-at", "repeated")  # fates of flows that get no answer


def container_sentences(document: Document, words: Words) -> Iterator[str]:
    """Which containers there are and how they talk to each other; without containers, the biggest flow."""
    addresses = _container_addresses(document, words)
    if not addresses:
        if document.get("flows", {}).get("top"):
            flow = document["flows"]["top"][0]
            yield Text(
                en="The biggest flow is {proto} {flow}, {packets}.", zh="最大的流是 {proto} {flow}，{packets}。"
            ).fill(proto=flow["proto"], flow=words.flow(flow), packets=count(flow["packets"], "packet"))
        return
    between = flows_between(document, set(addresses))
    names = {words.address(ip) for ip in between.ends}
    talking = [ip for ip in addresses if words.address(ip) in names] if names else []
    if talking:
        yield _talk(document, talking, between, words)
    others = [ip for ip in addresses if words.address(ip) not in names] if names else addresses
    if others:
        seen = Text(en="{subject} {verb} seen: {introduced}.", zh="看到 {subject}：{introduced}。")
        also = Text(en="Also seen: {introduced}.", zh="还看到：{introduced}。")
        total = _different_names(others, words)
        yield (also if talking else seen).fill(
            subject=container_count(total), verb="was" if total == 1 else "were", introduced=words.introduce(*others)
        )


_TALK = {
    "all": Text(en=" through a tunnel", zh="，经过隧道"),
    "some": Text(en=", in part through a tunnel", zh="，其中一部分经过隧道"),
    "encrypted": Text(en=" through an encrypted tunnel (ESP)", zh="，经过加密隧道（ESP）"),
}


def _talk(document: Document, addresses: list[str], between: FlowsBetween, words: Words) -> str:
    """How containers talk to each other."""
    is_rewritten = any(
        set(ends) <= set(addresses)  # after a translation too: a service's address stands for one of them
        for side in ("before", "after")
        for ends in row_values(document.get("nat", []), f"{side}.src", f"{side}.dst")
    )
    subject, introduced = container_count(_different_names(addresses, words)), words.introduce(*addresses)
    if "nat" in document and not (is_rewritten or document.get("tunnels")):  # some tunnels hide who is inside
        return Text(
            en="{subject}, {introduced}, talk to each other{way}: no NAT, no encapsulation.",
            zh="{subject} {introduced} {way}通信：没有地址转换，没有封装。",
        ).fill(subject=subject, introduced=introduced, way=_way(document, between.routers))
    how = "encrypted" if between.tunnelled == "none" and _is_encrypted_overlay(document) else between.tunnelled
    return Text(
        en="{subject}, {introduced}, talk to each other{how}.", zh="{subject} {introduced} 互相通信{how}。"
    ).fill(subject=subject, introduced=introduced, how=_TALK[how].fill() if how in _TALK else "")


def _way(document: Document, routers: set[int]) -> str:
    """How packets get there that nothing rewrites or wraps."""
    if not routers and has_model(document, "ptp"):
        return Text(en=", routed", zh="经过路由").fill()
    numbers = sorted(routers - {0})
    if not numbers:
        return language.pick(" directly", "直接")
    lowered = language.pick(" to ", " 到 ").join(map(str, dict.fromkeys((numbers[0], numbers[-1]))))
    partly = language.pick("in part ", "部分") if 0 in routers else ""
    return Text(en=", {partly}routed (TTL lowered by {lowered})", zh="{partly}经过路由（TTL 减 {lowered}）").fill(
        partly=partly, lowered=lowered
    )


def has_model(document: Document, name: str) -> bool:
    """Is a network model likely?"""
    return any(row["model"] == name and row["confidence"] >= MIN_MODEL_CONFIDENCE for row in document.get("models", []))


def _different_names(addresses: list[str], words: Words) -> int:
    return len({words.address(ip) for ip in addresses})


def container_count(total: int) -> str:
    """`Two containers`: how many there are."""
    if language.is_chinese():
        return count(total, "container")
    return spelled(total) + (" container" if total == 1 else " containers")


def _is_encrypted_overlay(document: Document) -> bool:
    """Is the network an overlay, and the only tunnel that was seen encrypted?"""
    tunnels = document.get("tunnels", [])
    return has_model(document, "overlay") and bool(tunnels) and all(row["encrypted"] for row in tunnels)


class FlowsBetween(NamedTuple):
    ends: set[str]
    tunnelled: Share  # of the flows
    routers: set[int]  # how many routers each of their paths passes outside of tunnels, by TTL


def flows_between(document: Document, addresses: set[str]) -> FlowsBetween:
    """The ends of answered flows with both ends among `addresses`; and which of these flows are inside a tunnel?

    Of many flows a report has the biggest ones, and paths of others.
    """
    rows = [(flow, bool(flow["depth"])) for flow in document.get("flows", {}).get("top", [])]
    rows += [(hop, bool(hop["tunnel"])) for path in document.get("paths", []) for hop in path["hops"]]
    inside = {
        (row["src"], row["dst"]): is_inside
        for row, is_inside in sorted(rows, key=lambda each: each[1])
        if row["src"] in addresses and row["dst"] in addresses and row["src"] != row["dst"]
    }
    ways = inside.keys() - _unanswered(document)
    answered = {(source, to) for source, to in ways if (to, source) in ways}
    tunnelled = {inside[way] for way in answered}
    share: Share = "none" if True not in tunnelled else "some" if False in tunnelled else "all"
    return FlowsBetween({end for way in answered for end in way}, share, _routers(document, answered))


def _routers(document: Document, ways: set[tuple[str, str]]) -> set[int]:
    """How many routers lowered the TTL on the paths of these flows, of source and destination."""
    numbers = set()
    for path in document.get("paths", []):
        first, last = path["hops"][0], path["hops"][-1]
        is_outside = not any(hop["tunnel"] for hop in path["hops"])
        if (first["src"], first["dst"]) in ways and is_outside and first["ttl"] and last["ttl"]:
            numbers.add(max(first["ttl"] - last["ttl"], 0))
    return numbers


def _unanswered(document: Document) -> set[tuple[str, str]]:
    """Source and destination of flows that fail, where none succeeds."""
    ways: dict[bool, set[tuple[str, str]]] = {True: set(), False: set()}
    for row in document.get("fates", []):
        ways[row["fate"] in UNANSWERED].add((row["flow"]["src"], row["flow"]["dst"]))
    return ways[True] - ways[False]


def _container_addresses(document: Document, words: Words) -> list[str]:
    """The addresses that name containers, each once."""
    rows = row_values(document.get("stations", []), "kind", "ips", "names")
    stations = [(ips, names) for kind, ips, names in rows if kind == "container" and ips]
    # An address that two hosts use has no name of its own; its owners are introduced by their other addresses.
    used = {words.address(ip) for ips, _ in stations for ip in ips} if any(names for _, names in stations) else set()
    hosts = hosts_of(document)
    addresses = [
        ip
        for ips, names in stations
        for ip in ips
        if not (names and ip not in words.names and used.issuperset(names))
        and not is_local(ip)
        and (ip not in words.names or host_of(words, ip) not in hosts)
    ]
    return list(dict.fromkeys(addresses))


def hosts_of(document: Document) -> set[str]:
    """Names of hosts: of points such as `A/ens33`."""
    return {point["name"].split("/")[0] for point in document["points"] if "/" in point["name"]}


def host_of(words: Words, ip: str) -> str:
    """Of an address with a name such as `A/docker0`, the first part: a host, if one is called so."""
    return words.names.get(ip, "").split("/")[0]


def is_local(address: str) -> bool:
    """Is this an address of one link or namespace only, or no address yet?"""
    return address.startswith(("fe80:", "169.254.", "127.")) or address in ("0.0.0.0", "::", "::1")
