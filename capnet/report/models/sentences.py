"""Sentences about the most likely network model: what nothing else in a report shows."""

from __future__ import annotations

from collections.abc import Iterator

from capnet import language
from capnet.analysis.core.contract.document import Document, row_values
from capnet.analysis.core.wording import Text
from capnet.report.models.containers import (
    MIN_MODEL_CONFIDENCE,
    container_sentences,
    flows_between,
    has_model,
    host_of,
    hosts_of,
    is_local,
)
from capnet.report.text import count, listing, spelled
from capnet.report.words import Words

_SILENT = Text(en="No packets on {points}.", zh="{points} 上没有包。")
_UNRESOLVED = Text(en="that is not resolved by ARP: others need a route", zh="这些地址不经 ARP 解析：其他主机需要路由")
_ON_PARENT_NETWORK = Text(en="on the network of the parent interface", zh="位于父接口的网络上")
_SHARE_MAC = Text(en="share one MAC", zh="共享同一个 MAC")
_HAS_PARENT_MAC = Text(en="has the MAC of the parent interface", zh="使用父接口的 MAC")
_MARKS = str.maketrans(dict.fromkeys("，。；：、（）", " "))  # between Chinese words
MAX_MAC_SENTENCES = 2  # further networks of one model are in the table of MACs


def model_sentences(document: Document, words: Words) -> list[str]:
    """Sentences of the most likely model; [] for bridge and overlay, which the sentences on NAT and tunnels explain."""
    model = next(iter(document.get("models", [])), None)
    write = _WRITERS.get(model["model"]) if model and model["confidence"] >= MIN_MODEL_CONFIDENCE else None
    return list(write(document, words)) if write else []


def unclear_model(document: Document) -> Iterator[str]:
    """That no model is likely, and which it may be, where containers were seen; nothing where none were."""
    models = document.get("models", [])
    if "models" not in document or any(row["confidence"] >= MIN_MODEL_CONFIDENCE for row in models):
        return
    names = [row["model"] for row in models if any(weight["shows_containers"] for weight in row["weights"])]
    if names:
        perhaps = Text(en="perhaps {model}", zh="可能是 {model}").fill(model=names[0])
        alternatives = language.pick(" or ", " 或 ").join(names[:3]) if len(names) > 1 else perhaps
        yield Text(
            en="The network model is not clear from this capture: {alternatives}.",
            zh="仅凭这次抓包无法确定网络模型：{alternatives}。",
        ).fill(alternatives=alternatives)
    elif any(kind == "container" for (kind,) in row_values(document.get("stations", []), "kind")):
        yield Text(en="The network model is not clear from this capture.", zh="仅凭这次抓包无法确定网络模型。").fill()


# -- models -----------------------------------------------------------------------------------------
def _none(document: Document, words: Words) -> Iterator[str]:
    evidence_points = {frame["point"] for frame in document["models"][0]["evidence"]}
    active = [point for point in document["points"] if point["name"] in evidence_points]
    others = [point["name"] for point in document["points"] if point["name"] not in evidence_points]
    if active:
        packets = count(sum(point["packets"] for point in active), "packet")
        where = listing([point["name"] for point in active], 3)
        yield Text(
            en="Nothing left its network namespace: {packets} over loopback at {where}.",
            zh="没有包离开它的网络命名空间：{where} 的 loopback 上有 {packets}。",
        ).fill(packets=packets, where=where)
    if others or not active:
        yield _SILENT.fill(points=listing(others, 4))


def _host(document: Document, words: Words) -> Iterator[str]:
    evidence_points = {frame["point"] for frame in document["models"][0]["evidence"]}
    stations = [
        station
        for station in document.get("stations", [])
        if evidence_points & set(station["points"]) and station["kind"] != "multicast"
    ]
    reasons = _words_of_reasons(document)
    ips = [ip for station in stations for ip in station["ips"] if not is_local(ip) and ip in reasons]
    host = words.introduce(*ips) if ips else Text(en="The host", zh="主机").fill()
    silent = [
        point["name"] for point in document["points"] if point["role"] in ("bridge", "veth") and not point["packets"]
    ]
    yield Text(
        en="{host} sends with its interface's own address and MAC: nothing is rewritten, wrapped or bridged.",
        zh="{host} 用接口自己的地址和 MAC 发送：没有改写、封装或桥接。",
    ).fill(host=host)
    if silent:
        yield _SILENT.fill(points=listing(silent, 3))


def _container(document: Document, words: Words) -> Iterator[str]:
    shared = _verdicts(document, "shared")
    loopbacks = [point["name"] for point in document["points"] if point["role"] == "loopback" and point["packets"]]
    if shared:
        ips = list(dict.fromkeys(ip for row in shared for ip in row["ips"]))
        at = Text(en=" at {points}", zh="（{points}）").fill(points=listing(loopbacks, 2)) if loopbacks else ""
        macs = listing(list(dict.fromkeys(mac for row in shared for mac in row["macs"])), 2)
        yield Text(
            en="Two processes or more share the network namespace of {owners}: client and server talk over "
            "loopback{at}, to others they are one MAC, {macs}, with one address.",
            zh="{owners} 的网络命名空间由两个或更多进程共享：客户端和服务器通过 loopback{at}通信，对外它们是同一个 MAC "
            "{macs}、同一个地址。",
        ).fill(owners=words.introduce(*ips), at=at, macs=macs)
    yield from container_sentences(document, words)


def _macvlan(document: Document, words: Words) -> Iterator[str]:
    rows = _verdicts(document, "distinct")[:MAX_MAC_SENTENCES]
    for row in rows:
        verb, apiece = ("are", ", each") if len(row["ips"]) > 1 else ("is", "")
        yield Text(
            en="{owners} {verb} on the network of {point} itself{apiece} with a MAC of its own; nothing is rewritten.",
            zh="{owners} 直接位于 {point} 的网络上，有各自独立的 MAC；没有改写。",
        ).fill(owners=_owners(row["ips"], words), verb=verb, point=row["point"], apiece=apiece)
    if rows and any(finding["name"] == "macvlan-host-isolation" for finding in document.get("findings", [])):
        is_one = sum(len(row["ips"]) for row in rows) == 1
        several = Text(en="Their own host cannot reach them.", zh="它们所在的主机访问不到它们。")
        yield (Text(en="Its own host cannot reach it.", zh="它所在的主机访问不到它。") if is_one else several).fill()
    yield from _unchanged(document)


def _ipvlan(document: Document, words: Words) -> Iterator[str]:
    rows, hosts = _verdicts(document, "shared"), hosts_of(document)
    for macs in list(dict.fromkeys(tuple(row["macs"]) for row in rows))[:MAX_MAC_SENTENCES]:
        ips = list(dict.fromkeys(ip for row in rows if tuple(row["macs"]) == macs for ip in row["ips"]))
        inner = [ip for ip in ips if host_of(words, ip) not in hosts]
        is_layer3 = document["models"][0]["model"] == "ipvlan-l3"
        how = _UNRESOLVED if is_layer3 else _ON_PARENT_NETWORK
        share, apiece = (_SHARE_MAC, "each ") if len(inner) > 1 else (_HAS_PARENT_MAC, "")
        yield Text(
            en="{owners} {share}, {macs}, {apiece}with an address of its own {how}.",
            zh="{owners} {share} {macs}，有各自的地址，{how}。",
        ).fill(
            owners=_owners(inner or ips, words), share=share.fill(), macs=listing(list(macs)), apiece=apiece,
            how=how.fill(),
        )  # fmt: skip
    yield from _unchanged(document)


def _ptp(document: Document, words: Words) -> Iterator[str]:
    yield from container_sentences(document, words)
    beside_bridge = Text(
        en="Besides the containers on a bridge, others have a veth of their own, and the host routes to it.",
        zh="除网桥上的容器外，其他容器有自己的 veth，由主机路由到它。",
    )
    alone = Text(
        en="There is no bridge: each container has a veth of its own, and the host routes to it.",
        zh="没有网桥：每个容器有自己的 veth，由主机路由到它。",
    )
    yield (beside_bridge if has_model(document, "bridge") else alone).fill()


_WRITERS = {
    "none": _none, "host": _host, "container": _container, "macvlan": _macvlan,
    "ipvlan-l2": _ipvlan, "ipvlan-l3": _ipvlan, "ptp": _ptp,
}  # fmt: skip


# -- parts ------------------------------------------------------------------------------------------
def _verdicts(document: Document, *names: str) -> list[Document]:
    return [row for row in document.get("macs", []) if row["verdict"] in names]


def _owners(ips: list[str], words: Words) -> str:
    """`Two containers, web (10.0.1.2) and bbox (10.0.1.3),`; addresses without names are `stations`."""
    noun = "container" if all(ip in words.names for ip in ips) else "station"
    if language.is_chinese():
        return f"{count(len(ips), noun)} {words.introduce(*ips)}"
    return f"{spelled(len(ips))} {noun}{'' if len(ips) == 1 else 's'}, {words.introduce(*ips)},"


def _unchanged(document: Document) -> Iterator[str]:
    if flows_between(document, {ip for row in _verdicts(document, "shared", "distinct") for ip in row["ips"]}).ends:
        yield Text(
            en="They talk to each other directly: no NAT, no encapsulation.",
            zh="它们直接通信：没有地址转换，没有封装。",
        ).fill()


def _words_of_reasons(document: Document) -> set[str]:
    """Chinese has full-width marks, and no spaces, between words."""
    reasons = (reason.translate(_MARKS) for reason in document["models"][0]["because"])
    return {word.strip(",.;") for reason in reasons for word in reason.split()}
