"""What was seen, in a title and a few sentences. A sentence is written only where the document holds its facts."""

from __future__ import annotations

from collections.abc import Iterator

from capnet.report.document import Document
from capnet.report.text import count, duration, listing, moment, number, span, spelled
from capnet.report.words import Words

_SURE = 0.5  # models of less confidence are not worth a headline


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
        *_who(document, words),
        *_source_nat(document, words),
        *_destination_nat(document, words),
        *_proxies(document),
        *_tunnels(document, words),
        *_loss(document),
        *_judgement(document),
    ]


def _who(document: Document, words: Words) -> Iterator[str]:
    stations = [each for each in document.get("stations", []) if each["kind"] == "container" and each["ips"]]
    # An address that two hosts use has no name of its own; whom it belongs to is introduced by another address.
    known = {words.address(ip) for each in stations for ip in each["ips"]}
    addresses = list(
        dict.fromkeys(
            ip
            for each in stations
            for ip in each["ips"]
            if not _link_local(ip) and (ip in words.names or not known.issuperset(each["names"] or [""]))
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
        groups.setdefault(tuple(dict.fromkeys(row["before"]["src"] for row in rows)), []).append(outside)
    for inside, seen_as in groups.items():
        rows = [row for outside in seen_as for row in outsides[outside]]
        detail = ["masquerade" if _docker(document) else "source NAT", count(len(rows), "flow")]
        rewritten = [row for row in rows if row["port_rewritten"]]
        if rewritten:
            what = "ICMP id" if all(row["proto"] == "icmp" for row in rewritten) else "source port"
            detail.append(count(len(rewritten), what) + " rewritten")
        who = list(dict.fromkeys(map(words.address, inside)))
        told = listing([words.mention(each) for each in sorted(seen_as)])
        yield f"To others, {listing(who)} appear{'s' if len(who) == 1 else ''} as {told}: {', '.join(detail)}."


def _destination_nat(document: Document, words: Words) -> Iterator[str]:
    published: dict[tuple[str, str], list[str]] = {}
    for row in document.get("nat", []):
        if row["kind"] != "snat":
            before, after = row["before"], row["after"]
            door = words.endpoint(before["dst"], before["dport"])
            inside = words.endpoint(after["dst"], after["dport"])
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
        name = kind.upper() if kind != "geneve" else "Geneve"
        vni_text = "" if vni is None else f" {'key' if kind == 'gre' else 'VNI'} {vni}"
        network_text = f" (network {network})" if network else ""
        ends = listing([words.mention(each) for each in vteps])
        yield f"{name}{vni_text}{network_text} carries {count(frames, 'frame')} between {ends}."


def _loss(document: Document) -> Iterator[str]:
    paths = [each for each in document.get("paths", []) if len(each["hops"]) > 1]
    lost = sum(hop["lost"] or 0 for path in paths for hop in path["hops"])
    ended = [path for path in paths if path["ends"].startswith("lost-after ")]
    if lost:
        yield f"{count(lost, 'packet')} {'was' if lost == 1 else 'were'} lost between the points."
    if ended:
        where = list(dict.fromkeys(path["ends"].removeprefix("lost-after ") for path in ended))
        yield f"{count(len(ended), 'flow')} never arrived (last seen at {listing(where)})."
    if paths and not lost and all(path["ends"] == "delivered" for path in paths):
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
    return any(each["model"] in ("bridge", "overlay") for each in document.get("models", []))


def _link_local(address: str) -> bool:
    return address.startswith(("fe80:", "169.254.")) or address in ("0.0.0.0", "::")
