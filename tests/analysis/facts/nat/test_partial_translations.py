"""Hairpins: a point between DNAT and SNAT shows a part of the translation, which is told once."""

from __future__ import annotations

from pathlib import Path

from tests.stories import Network, tcp
from tests.story_reports import C1, C2, A, read, translations

WEB, BRIDGE = "02:42:ac:11:00:02", "02:42:00:00:00:01"


def test_hairpin_between_containers_is_one_translation(tmp_path: Path) -> None:
    """Client's veth, the bridge half-way, web's veth: DNAT, then masquerade, one entry of conntrack."""
    net = Network(["A/veth2", "A/docker0", "A/veth1"])
    for number in range(3):
        first = tcp(f"{C2}:40000 > {A}:8080", b"x", seq=number, ident=1 + number)
        half = first.but(ends=f"{C2}:40000 > {C1}:80")
        last = half.routed(src="172.17.0.1")
        net.pass_by(("A/veth2", first), ("A/docker0", half), ("A/veth1", last))
    report = read(net, tmp_path)
    assert translations(report) == {("snat+dnat", "tcp", (C2, 40000, A, 8080), ("172.17.0.1", 40000, C1, 80))}


def test_hairpin_to_oneself_is_one_translation(tmp_path: Path) -> None:
    """Out by its port of the bridge and in again; the promiscuous bridge has a copy routed, too."""

    def frames(points: list[str]) -> Network:
        net = Network(points)
        for number in range(3):
            first = tcp(f"{C1}:40000 > {A}:8080", b"x", seq=number, ident=1 + number, smac=WEB, dmac=BRIDGE)
            half = first.but(ends=f"{C1}:40000 > {C1}:80", dmac=WEB)
            last = half.but(ends=f"172.17.0.1:40000 > {C1}:80")
            copy = half.routed(smac=BRIDGE)
            for after, point, form in (
                (0, "A/web/eth0", first), (55, "A/docker0", half), (58, "A/docker0", copy),
                (61, "A/web/eth0", last), (73, "A/web/eth0", copy),
            ):  # fmt: skip
                if point in points:
                    net.at(net.now + after, point, form)
            net.now += 10_000
        return net

    both = read(frames(["A/web/eth0", "A/docker0"]), tmp_path)
    whole = ("snat+dnat", "tcp", (C1, 40000, A, 8080), ("172.17.0.1", 40000, C1, 80))
    assert translations(both) == {whole}
    assert not [hop for path in both["paths"] for hop in path["hops"] if hop["lost"]]
    alone = read(frames(["A/web/eth0"]), tmp_path)
    assert translations(alone) <= {whole}
