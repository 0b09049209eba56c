"""What a capture shows, as a title and a few sentences. A sentence is written only if the document has its facts."""

from __future__ import annotations

from collections.abc import Iterator

from capnet import language
from capnet.analysis.core.contract.document import Document, row_values
from capnet.analysis.core.wording import Text
from capnet.quick_tuple import NamedTuple
from capnet.report.headline import headline, limits, user_mode_sentences
from capnet.report.models.containers import MIN_MODEL_CONFIDENCE, container_sentences
from capnet.report.models.sentences import model_sentences, unclear_model
from capnet.report.text import count, duration, listing, moment, span
from capnet.report.words import Words
from capnet.wire.protocols import KIND_OF_NAME

MAX_MASQUERADES = 3  # in one sentence; more hosts have further sentences
MAX_DESTINATIONS = 3  # sentences on rewritten destinations, then their number
DOCKER_DNS = "127.0.0.11"  # the resolver in each container's network namespace
LOOPBACK = ("127.", "::1")
MAX_TUNNELS = 3  # sentences on tunnels, then their number


def title(document: Document) -> str:
    """`bridge · 6 points · 812 packets in 4.2 s · 2026-11-23 22:14:03 UTC`"""
    inputs, points = document["inputs"], document["points"]
    models = [row["model"] for row in document.get("models", []) if row["confidence"] >= MIN_MODEL_CONFIDENCE]
    parts = [" + ".join(models) or listing([file["file"] for file in inputs], 3)]
    if points:
        parts.append(count(len(points), "point"))
    packets = count(sum(file["packets"] for file in inputs), "packet")
    firsts = [file["first"] for file in inputs if file["first"]]
    lasts = [file["last"] for file in inputs if file["last"]]
    if firsts and lasts:
        lasted = span(min(firsts), max(lasts))
        during = Text(en="{packets} in {lasted}", zh="{lasted} 内 {packets}").fill(
            packets=packets, lasted=duration(lasted)
        )
        parts += [during if lasted else packets, moment(min(firsts))]
    else:
        parts.append(packets)
    return " · ".join(part for part in parts if part)


def topics(document: Document, words: Words) -> list[tuple[str, list[str]]]:
    """(label, sentences): who talked to whom, what was rewritten, which tunnels, what is not known; none is empty."""
    who = model_sentences(document, words) or list(user_mode_sentences(document))
    who = who or [*container_sentences(document, words), *unclear_model(document)]
    parts = (
        ("Who", who),
        ("Outward", _source_nat(document, words)),
        ("Inward", [*_destination_nat(document, words), *_proxies(document)]),
        ("Redirect", _redirects(document, words)),
        ("Tunnels", _tunnels(document, words)),
        ("Not seen", limits(document)),
    )
    listed = ((label, list(texts)) for label, texts in parts)
    return [(label, texts) for label, texts in listed if texts]


def sentences(document: Document, words: Words) -> list[str]:
    """The worst cause or what may be said, and then the topics."""
    return [*headline(document, words), *(text for _, texts in topics(document, words) for text in texts)]


class _Masquerade(NamedTuple):
    """Hosts that appear to others as the same addresses."""

    insides: str
    is_one: bool  # one host
    outsides: str
    rows: list[tuple[bool, str]]  # was the port rewritten; protocol


def _source_nat(document: Document, words: Words) -> Iterator[str]:
    masquerades = _masquerades(document, words)
    is_docker = any(
        row["model"] in ("bridge", "overlay", "container") and row["confidence"] >= MIN_MODEL_CONFIDENCE
        for row in document.get("models", [])
    )
    for start in range(0, len(masquerades), MAX_MASQUERADES):
        group = masquerades[start : start + MAX_MASQUERADES]
        rows = [row for masquerade in group for row in masquerade.rows]
        method = (
            Text(en="SNAT (MASQUERADE)", zh="源地址转换（MASQUERADE）")
            if is_docker
            else Text(en="SNAT", zh="源地址转换")
        )
        details = [method.fill(), count(len(rows), "flow")]
        rewritten = [proto for is_rewritten, proto in rows if is_rewritten]
        if rewritten:
            noun = "ICMP id" if all(proto == "icmp" for proto in rewritten) else "source port"
            details.append(Text(en="{ports} rewritten", zh="改写了 {ports}").fill(ports=count(len(rewritten), noun)))
        verbs = [" appears" if group[0].is_one else " appear", *([""] * (len(group) - 1))]
        clauses = [
            Text(en="{insides}{verb} as {outsides}", zh="{insides} 显示为 {outsides}").fill(
                insides=masquerade.insides, verb=verb, outsides=masquerade.outsides
            )
            for masquerade, verb in zip(group, verbs, strict=True)
        ]
        yield Text(en="To others, {clauses}: {details}.", zh="对外，{clauses}：{details}。").fill(
            clauses=language.pick(listing(clauses), "，".join(clauses)), details=language.pick(", ", "，").join(details)
        )


def _masquerades(document: Document, words: Words) -> list[_Masquerade]:
    """Source NAT by the hosts behind it, in the order of their names."""
    rows_of_outside: dict[str, list[tuple[bool, str]]] = {}
    insides_of_outside: dict[str, dict[tuple[str, str], None]] = {}
    paths = ("kind", "after.src", "before.src", "before.point", "port_rewritten", "proto")
    for kind, outside, *inside, is_rewritten, proto in row_values(document.get("nat", []), *paths):
        if kind == "snat":
            rows_of_outside.setdefault(outside, []).append((is_rewritten, proto))
            insides_of_outside.setdefault(outside, {})[inside[0], inside[1]] = None
    outsides_of_insides: dict[tuple[str, ...], list[str]] = {}
    for outside, sources in insides_of_outside.items():
        insides = tuple(dict.fromkeys(words.address(*source) for source in sources))
        outsides_of_insides.setdefault(insides, []).append(outside)
    return [
        _Masquerade(
            listing(insides),
            len(insides) == 1,
            listing([words.mention(outside) for outside in sorted(outsides)]),
            [row for outside in outsides for row in rows_of_outside[outside]],
        )
        for insides, outsides in sorted(outsides_of_insides.items())
    ]


def _destination_nat(document: Document, words: Words) -> Iterator[str]:
    clients_of: dict[tuple[str, str], list[str]] = {}  # (destination after translation, before it) → sources
    asking: list[str] = []
    paths = ("kind", "reply_seen", "before.src", "before.point", "before.dst", "before.dport")
    rows = row_values(document.get("nat", []), *paths, "after.dst", "after.dport", "after.point")
    for kind, reply_seen, client, point, destination, port, *server in rows:
        if kind != "snat" and reply_seen and destination == DOCKER_DNS:
            asking.append(_asker(document, words, client, point))
        elif kind != "snat" and reply_seen and not _is_redirected(destination, server[0]):
            outside, inside = words.endpoint(destination, port), words.endpoint(*server)
            clients_of.setdefault((inside, outside), []).append(client)
    if asking:
        yield Text(
            en="Docker's DNS ({server}) answered {clients}.", zh="Docker 的 DNS（{server}）应答了 {clients}。"
        ).fill(server=DOCKER_DNS, clients=listing(list(dict.fromkeys(asking)), MAX_DESTINATIONS))
    for place, ((inside, outside), clients) in enumerate(clients_of.items()):
        if place == MAX_DESTINATIONS:
            left_out = len(clients_of) - MAX_DESTINATIONS
            destinations = count(left_out, "more destination is", "more destinations are")
            yield Text(en="{destinations} rewritten.", zh="另外还改写了 {destinations}。").fill(
                destinations=destinations
            )
            return
        names = list(dict.fromkeys(map(words.address, clients)))
        subject = words.mention(clients[0]) if len(names) == 1 else listing(names)
        verb = "reaches" if len(names) == 1 else "reach"
        yield Text(
            en="{subject} {verb} {inside} through {outside}.", zh="{subject} 通过 {outside} 访问 {inside}。"
        ).fill(subject=subject, verb=verb, inside=inside, outside=outside)


def _is_redirected(destination: str, translated: str) -> bool:
    """Does DNAT send what is for another address to a program of the sender's own host, as REDIRECT does?"""
    return translated.startswith(LOOPBACK) and not destination.startswith(LOOPBACK)


def _redirects(document: Document, words: Words) -> Iterator[str]:
    outsides_of: dict[tuple[str, str], list[str]] = {}  # (client, program) → what the client asked for
    paths = ("kind", "before.src", "before.dst", "before.dport", "after.dst", "after.dport", "after.point")
    for kind, client, destination, port, *program in row_values(document.get("nat", []), *paths):
        if kind != "snat" and _is_redirected(destination, program[0]):
            place = (words.mention(client), words.endpoint(*program))
            outsides_of.setdefault(place, []).append(words.endpoint(destination, port))
    for (asking, asked), outsides in list(outsides_of.items())[:MAX_DESTINATIONS]:
        yield Text(
            en="What {client} sends to {outsides} goes to {program}, a program of its own host.",
            zh="{client} 发往 {outsides} 的流量转到本机的程序 {program}。",
        ).fill(client=asking, outsides=listing(list(dict.fromkeys(outsides)), MAX_DESTINATIONS), program=asked)


def _asker(document: Document, words: Words, address: str, at_point: str) -> str:
    """Who asks Docker's DNS: the container of the point; loopback addresses name none."""
    containers = [point["container"] for point in document["points"] if point["name"] == at_point]
    return next(filter(None, containers), words.address(address, at_point))


def _proxies(document: Document) -> Iterator[str]:
    proxies = document.get("proxies", [])
    if proxies:
        yield Text(en="{connections} proxied, not rewritten.", zh="{connections}经过代理，不是改写。").fill(
            connections=count(len(proxies), "connection was", "connections were")
        )


def _tunnels(document: Document, words: Words) -> Iterator[str]:
    frames_of: dict[tuple[str, int | None, str | None, tuple[str, ...]], int] = {}  # at the point with the most
    for row in document.get("tunnels", []):
        key = (row["kind"], row["vni"], row["network"], tuple(row["vteps"]))
        frames_of[key] = max(frames_of.get(key, 0), row["frames"])
    for place, ((kind, vni, network, vteps), frames) in enumerate(frames_of.items()):
        if place == MAX_TUNNELS:
            left_out = len(frames_of) - MAX_TUNNELS
            tunnels = count(left_out, "more tunnel was", "more tunnels were")
            yield Text(en="{tunnels} seen.", zh="另有 {tunnels}。").fill(tunnels=tunnels)
            return
        of_network = Text(en=" (network {network})", zh="（网络 {network}）").fill(network=network) if network else ""
        yield Text(
            en="{tunnel}{network} carries {frames} between {ends}.",
            zh="{tunnel}{network} 在 {ends} 之间承载 {frames}。",
        ).fill(
            tunnel=KIND_OF_NAME[kind].titled(vni), network=of_network, frames=count(frames, "frame"),
            ends=listing([words.mention(vtep) for vtep in vteps]),
        )  # fmt: skip
