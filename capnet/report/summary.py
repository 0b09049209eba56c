"""What was seen, in a title and a few sentences. A sentence is written only where the document holds its facts."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from capnet.report.document import Document
from capnet.report.text import count, duration, listing, moment, number, span, spelled
from capnet.report.words import Words
from capnet.wire.protocols import KIND_OF_NAME

_SURE = 0.5  # models of less confidence are not worth a headline
_TOGETHER = 3  # hosts whose masquerade one sentence tells


def title(document: Document) -> str:
    """`bridge · 6 points · 812 packets in 4.2 s · 2026-11-23 22:14:03 UTC`"""
    inputs, points = document["inputs"], document["points"]
    models = [each["model"] for each in document.get("models", []) if each["confidence"] >= _SURE]
    parts = [" + ".join(models) or listing([each["file"] for each in inputs], 3)]
    if points:
        parts.append(count(len(points), "point"))
    packets = count(sum(each["packets"] for each in inputs), "packet")
    firsts = [each["first"] for each in inputs if each["first"]]
    lasts = [each["last"] for each in inputs if each["last"]]
    if firsts and lasts:
        lasted = span(min(firsts), max(lasts))
        parts += [f"{packets} in {duration(lasted)}" if lasted else packets, moment(min(firsts))]
    else:
        parts.append(packets)
    return " · ".join(part for part in parts if part)


def sentences(document: Document, words: Words) -> list[str]:
    """Who talked to whom, what was rewritten, which tunnels, what was lost, what to look at."""
    return [
        *(_model(document, words) or _who(document, words)),
        *_source_nat(document, words),
        *_destination_nat(document, words),
        *_proxies(document),
        *_tunnels(document, words),
        *_loss(document),
        *_judgement(document),
    ]


# -- what the surest model means, for models that nothing else in the report shows -----------------------
def _model(document: Document, words: Words) -> list[str]:
    """Sentences of the surest model, if it has any of its own; bridge and overlay are told by NAT and tunnels."""
    first = next(iter(document.get("models", [])), None)
    tell = _TELLS.get(first["model"]) if first and first["confidence"] >= _SURE else None
    return list(tell(document, words)) if tell else []


def _none(document: Document, words: Words) -> Iterator[str]:
    inside = {each["point"] for each in document["models"][0]["evidence"]}
    loud = [each for each in document["points"] if each["name"] in inside]
    others = [each["name"] for each in document["points"] if each["name"] not in inside]
    heard = f" {listing(others, 4)} heard nothing of it." if others and loud else ""
    if loud:
        packets = count(sum(each["packets"] for each in loud), "packet")
        where = listing([each["name"] for each in loud], 3)
        yield f"Nothing left its network namespace: {packets} over loopback at {where}.{heard}"
    else:
        yield f"Nothing was heard at {listing(others, 4)}."


def _host(document: Document, words: Words) -> Iterator[str]:
    at = {each["point"] for each in document["models"][0]["evidence"]}
    own = [each for each in document.get("stations", []) if at & set(each["points"]) and each["kind"] != "multicast"]
    ips = [ip for each in own for ip in each["ips"] if not _link_local(ip) and ip in _because(document)]
    who = words.introduce(*ips) if ips else "The host"
    silent = [each["name"] for each in document["points"] if each["role"] in ("bridge", "veth") and not each["packets"]]
    heard = f" {listing(silent, 3)} heard nothing of it." if silent else ""
    yield f"{who} speaks with its card's own address and MAC: nothing is rewritten, wrapped or bridged.{heard}"


def _container(document: Document, words: Words) -> Iterator[str]:
    shared = [each for each in document.get("macs", []) if each["verdict"] == "shared"]
    loopback = [each["name"] for each in document["points"] if each["role"] == "loopback" and each["packets"]]
    if not shared:
        yield from _who(document, words)
        return
    ips = list(dict.fromkeys(ip for each in shared for ip in each["ips"]))
    where = f" at {listing(loopback, 2)}" if loopback else ""
    macs = listing(list(dict.fromkeys(mac for each in shared for mac in each["macs"])), 2)
    yield (
        f"Two processes or more share the network namespace of {words.introduce(*ips)}: client and server talk over "
        f"loopback{where}, to others they are one MAC, {macs}, with one address."
    )
    yield from _who(document, words)


def _macvlan(document: Document, words: Words) -> Iterator[str]:
    for row in [each for each in document.get("macs", []) if each["verdict"] == "distinct"][:2]:
        are = "are" if len(row["ips"]) > 1 else "is"
        each = ", each" if are == "are" else ""
        yield (
            f"{_people(row['ips'], words)} {are} on the network of {row['point']} itself{each} with a MAC of its own; "
            "nothing is rewritten."
        )
    if any(each["name"] == "macvlan-host-isolation" for each in document.get("findings", [])):
        yield "Their own host cannot reach them."
    yield from _each_other(document)


def _ipvlan(document: Document, words: Words) -> Iterator[str]:
    rows = [each for each in document.get("macs", []) if each["verdict"] == "shared"]
    for mac in list(dict.fromkeys(tuple(each["macs"]) for each in rows))[:2]:
        ips = list(dict.fromkeys(ip for each in rows if tuple(each["macs"]) == mac for ip in each["ips"]))
        inner = [ip for ip in ips if not _is_host(document, words, ip)]
        layer3 = document["models"][0]["model"] == "ipvlan-l3"
        how = "that nobody resolves by ARP: others need a route" if layer3 else "on the network of the card"
        share, each = ("share one MAC", "each ") if len(inner) > 1 else ("has the MAC of the host's card", "")
        yield f"{_people(inner or ips, words)} {share}, {listing(list(mac))}, {each}with an address of its own {how}."
    yield from _each_other(document)


def _people(ips: list[str], words: Words) -> str:
    """`Two containers, web (10.0.1.2) and bbox (10.0.1.3),`; addresses without names are `stations`."""
    named = all(ip in words.names for ip in ips)
    what = "container" if named else "station"
    return f"{spelled(len(ips))} {what}{'' if len(ips) == 1 else 's'}, {words.introduce(*ips)},"


def _each_other(document: Document) -> Iterator[str]:
    rows = [each for each in document.get("macs", []) if each["verdict"] in ("shared", "distinct")]
    plain, _ = _between(document, {ip for each in rows for ip in each["ips"]})
    if plain:
        yield "They talk to each other unchanged."


def _is_host(document: Document, words: Words, ip: str) -> bool:
    """Is this the address of a host by its name, that of points such as `A/ens33`?"""
    hosts = {each["name"].split("/")[0] for each in document["points"] if "/" in each["name"]}
    return words.names.get(ip, "").split("/")[0] in hosts


def _because(document: Document) -> list[str]:
    return [word.strip(",.;") for reason in document["models"][0]["because"] for word in reason.split()]


_TELLS = {
    "none": _none, "host": _host, "container": _container, "macvlan": _macvlan,
    "ipvlan-l2": _ipvlan, "ipvlan-l3": _ipvlan,
}  # fmt: skip


def _who(document: Document, words: Words) -> Iterator[str]:
    stations = [each for each in document.get("stations", []) if each["kind"] == "container" and each["ips"]]
    # An address that two hosts use has no name of its own; whom it belongs to is introduced by another address.
    known = {words.address(ip) for each in stations for ip in each["ips"]}
    addresses = list(
        dict.fromkeys(
            ip
            for each in stations
            for ip in each["ips"]
            if not _link_local(ip)
            and not _is_host(document, words, ip)
            and (ip in words.names or not known.issuperset(each["names"] or [""]))
        )
    )
    if not addresses:
        if document.get("flows", {}).get("top"):
            flow = document["flows"]["top"][0]
            yield f"The biggest flow is {flow['proto']} {words.flow(flow)}, {count(flow['packets'], 'packet')}."
        return
    people, containers = words.introduce(*addresses), len({words.address(each) for each in addresses})
    one = containers == 1
    subject = f"{spelled(containers)} container{'' if one else 's'}"
    plain, tunnelled = _between(document, set(addresses))
    if tunnelled:
        yield f"{subject}, {people}, talk to each other through a tunnel."
    elif plain:
        rewritten = any(
            {row["before"]["src"], row["before"]["dst"]} <= set(addresses) for row in document.get("nat", [])
        )
        yield f"{subject}, {people}, talk to each other{'' if rewritten or 'nat' not in document else ' unchanged'}."
    else:
        yield f"{subject} {'was' if one else 'were'} seen: {people}."


def _between(document: Document, addresses: set[str]) -> tuple[bool, bool]:
    """(some flow, some flow inside a tunnel) with both ends among `addresses`."""
    flows = [
        each
        for each in document.get("flows", {}).get("top", [])
        if each["src"] in addresses and each["dst"] in addresses and each["src"] != each["dst"]
    ]
    return bool(flows), any(each["depth"] for each in flows)


def _source_nat(document: Document, words: Words) -> Iterator[str]:
    outsides: dict[str, list[Document]] = {}
    for row in document.get("nat", []):
        if row["kind"] == "snat":
            outsides.setdefault(row["after"]["src"], []).append(row)
    groups: dict[tuple[str, ...], list[str]] = {}  # who leaves → as what
    for outside, rows in outsides.items():
        inside = tuple(dict.fromkeys(words.address(row["before"]["src"], row["before"]["point"]) for row in rows))
        groups.setdefault(inside, []).append(outside)
    told = [
        (listing(inside), len(inside) == 1, listing([words.mention(each) for each in sorted(seen_as)]), seen_as)
        for inside, seen_as in sorted(groups.items())
    ]
    # Several hosts that each hide their own are one sentence.
    for start in range(0, len(told), _TOGETHER):
        some = told[start : start + _TOGETHER]
        rows = [row for *_, seen_as in some for outside in seen_as for row in outsides[outside]]
        detail = ["masquerade" if _docker(document) else "source NAT", count(len(rows), "flow")]
        rewritten = [row for row in rows if row["port_rewritten"]]
        if rewritten:
            what = "ICMP id" if all(row["proto"] == "icmp" for row in rewritten) else "source port"
            detail.append(count(len(rewritten), what) + " rewritten")
        (who, one, outside, _), *others = some
        says = [
            f"{who} appear{'s' if one else ''} as {outside}",
            *(f"{who} as {outside}" for who, _, outside, _ in others),
        ]
        yield f"To others, {listing(says)}: {', '.join(detail)}."


def _destination_nat(document: Document, words: Words) -> Iterator[str]:
    published: dict[tuple[str, str], list[str]] = {}
    for row in document.get("nat", []):
        if row["kind"] != "snat":
            before, after = row["before"], row["after"]
            door = words.endpoint(before["dst"], before["dport"])
            inside = words.endpoint(after["dst"], after["dport"], point=after["point"])
            published.setdefault((inside, door), []).append(before["src"])
    for number_shown, ((inside, door), clients) in enumerate(published.items()):
        if number_shown == 3:
            yield f"{count(len(published) - 3, 'more destination is', 'more destinations are')} rewritten."
            return
        who = list(dict.fromkeys(map(words.address, clients)))
        told = words.mention(clients[0]) if len(who) == 1 else listing(who)
        yield f"{told} reach{'es' if len(who) == 1 else ''} {inside} through {door}."


def _proxies(document: Document) -> Iterator[str]:
    proxies = document.get("proxies", [])
    if proxies:
        yield f"{count(len(proxies), 'connection was', 'connections were')} proxied, not rewritten."


def _tunnels(document: Document, words: Words) -> Iterator[str]:
    seen: dict[tuple[str, int | None, str | None, tuple[str, ...]], int] = {}
    for row in document.get("tunnels", []):
        key = (row["kind"], row["vni"], row["network"], tuple(row["vteps"]))
        seen[key] = max(seen.get(key, 0), row["frames"])
    for number_shown, ((kind, vni, network, vteps), frames) in enumerate(seen.items()):
        if number_shown == 3:
            yield f"{count(len(seen) - 3, 'more tunnel')} {'was' if len(seen) == 4 else 'were'} seen."
            return
        network_text = f" (network {network})" if network else ""
        ends = listing([words.mention(each) for each in vteps])
        yield f"{KIND_OF_NAME[kind].titled(vni)}{network_text} carries {count(frames, 'frame')} between {ends}."


def _loss(document: Document) -> Iterator[str]:
    paths = [each for each in document.get("paths", []) if len(each["hops"]) > 1]
    lost = sum(hop["lost"] or 0 for path in paths for hop in path["hops"])
    ended = [path for path in paths if path["ends"].startswith("lost-after ")]
    if lost:
        yield f"{count(lost, 'packet')} {'was' if lost == 1 else 'were'} lost between the points."
    if ended:
        where = list(dict.fromkeys(path["ends"].removeprefix("lost-after ") for path in ended))
        yield f"{count(len(ended), 'flow')} never arrived (last seen at {listing(where)})."
    to_one = [path for path in paths if not _to_many(path["flow"]["dst"])]
    if to_one and not lost and all(path["ends"] == "delivered" for path in to_one):
        yield "Nothing was lost between the points."


def _judgement(document: Document) -> Iterator[str]:
    for level in ("error", "warning"):
        names = list(dict.fromkeys(each["name"] for each in document.get("findings", []) if each["level"] == level))
        if names:
            total = sum(each["level"] == level for each in document["findings"])
            yield f"{count(total, level)} below: {listing(names)}."
    problems = sum(len(each["problems"]) for each in document["inputs"])
    if problems:
        yield f"The input is damaged in {count(problems, 'place')}; what could be read is reported."
    dropped = sum(each["dropped"] or 0 for each in document["points"])
    if dropped:
        yield f"The capture itself missed {number(dropped)} packets."


def _docker(document: Document) -> bool:
    return any(each["model"] in ("bridge", "overlay", "container") for each in document.get("models", []))


def _to_many(address: str) -> bool:
    """Multicast and broadcast, such as a router solicitation: nobody answers, so nobody can call it delivered."""
    return ip_address(address).is_multicast or address == "255.255.255.255"


def _link_local(address: str) -> bool:
    return address.startswith(("fe80:", "169.254.")) or address in ("0.0.0.0", "::")
